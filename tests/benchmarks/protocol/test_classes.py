from __future__ import annotations

import numpy as np
import pytest
from softcore_benchmarks.protocol.cells import Cell, ClassFigure
from softcore_benchmarks.protocol.classes import list_class_figures, list_class_tables
from softcore_benchmarks.protocol.tables import ROWS

from .test_tables import find, make


def add_classes(cell: Cell, overlap: dict[str, float], without: dict[str, float | None]) -> Cell:
    """Add classes of 6 images, of which 2 are left without overlap."""
    left = {
        name: ClassFigure(images=0 if image is None else 2, image_auroc=image)
        for name, image in without.items()
    }
    whole = {name: ClassFigure(images=6, image_auroc=image) for name, image in overlap.items()}
    figures = {
        row: {
            scenario: found.model_copy(update={"classes": whole if scenario == "overlap" else left})
            for scenario, found in scenarios.items()
        }
        for row, scenarios in cell.figures.items()
    }
    return cell.model_copy(update={"figures": figures})


def test_each_class_is_a_column() -> None:
    clean = add_classes(make("pill", 0.0, "patchcore", 0.9), {"chip": 0.9, "dirt": 0.8}, {})
    dirty = add_classes(
        make("pill", 0.1, "patchcore", 0.9), {"chip": 0.7, "dirt": 0.6}, {"chip": 0.75, "dirt": None}
    )
    tables = list_class_tables(list_class_figures([clean, dirty]), 0.1, [0])
    assert [table.name for table in tables] == [
        f"classes-pill-{name}" for name in ("clean", "no-overlap", "overlap")
    ]
    assert tables[2].title == (
        "Image AUROC of each defect class of pill (number of images), noise 0.1, overlap"
    )
    for table, expected in zip(tables, ([0.9, 0.8], [0.75, np.nan], [0.7, 0.6]), strict=True):
        assert list(table.frame.columns) == ["method", "chip (6)", "dirt (6)"]
        assert table.frame["method"].tolist() == list(ROWS)
        row = table.frame.set_index("method").loc["PatchCore"].tolist()
        assert row == pytest.approx(expected, nan_ok=True)


def test_one_class_and_earlier_cells_make_no_table() -> None:
    one = add_classes(make("pill", 0.0, "patchcore", 0.9), {"chip": 0.9}, {"chip": 0.9})
    earlier = make("tile", 0.0, "patchcore", 0.9)
    assert not list_class_tables(list_class_figures([one, earlier]), 0.1, [0])
    assert not list_class_tables(list_class_figures([earlier]), 0.1, [0])


def test_figures_are_means_over_seeds() -> None:
    cells = [
        add_classes(
            make("pill", 0.1, "patchcore", 0.9, seed=seed),
            {"chip": image, "dirt": 0.6},
            {"chip": image, "dirt": None if seed else 0.4},
        )
        for seed, image in enumerate((0.5, 0.7))
    ]
    cells.append(add_classes(make("pill", 0.1, "padim", 0.9), {"chip": 0.5, "dirt": 0.6}, {}))
    tables = list_class_tables(list_class_figures(cells), 0.1, [0, 1])
    overlap = find(tables, "classes-pill-overlap").frame.set_index("method")
    assert overlap.loc["PatchCore"].tolist() == pytest.approx([0.6, 0.6])
    assert overlap.loc["PaDiM"].isna().all()  # of one seed alone
    without = find(tables, "classes-pill-no-overlap").frame.set_index("method")
    assert without.loc["PatchCore"].tolist() == pytest.approx([0.6, 0.4])
