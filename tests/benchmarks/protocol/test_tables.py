from __future__ import annotations

import numpy as np
import pytest
from softcore_benchmarks.protocol import published
from softcore_benchmarks.protocol.cells import Cell, Figures
from softcore_benchmarks.protocol.methods import METHODS
from softcore_benchmarks.protocol.noise import SCENARIOS
from softcore_benchmarks.protocol.tables import ROWS, Table, list_figures, list_tables


def make(category: str, noise: float, method: str, image: float, pixel: float | None = 0.9) -> Cell:
    """A cell whose figure without overlap is 0.1 above that with."""
    figures = {
        row: {
            scenario: Figures(image_auroc=image + place / 100 + add, pixel_auroc=pixel, aupro=pixel)
            for scenario, add in zip(SCENARIOS, (0.1, 0.0), strict=True)
        }
        for place, row in enumerate(METHODS[method].rows)
    }
    return Cell(
        category=category,
        noise=noise,
        method=method,
        settings={"k": "6"},
        trained_on=100 + round(100 * noise),
        defects=round(100 * noise),
        tested_on=(41, 119),
        figures=figures,
        fit_seconds=12,
        score_seconds=0.05,
        backbone_seconds=0.02,
    )


@pytest.fixture
def cells() -> list[Cell]:
    made = []
    for category, pixel in (("pill", None), ("tile", 0.9)):
        for noise in (0.0, 0.1):
            for method in METHODS:
                if "cflow" not in method:
                    image = 0.7 - noise + 0.02 * (category == "tile")
                    made.append(make(category, noise, method, image, pixel))
    return made


def find(tables: list[Table], name: str) -> Table:
    return next(table for table in tables if table.name == name)


def test_all_tables_of_the_paper_are_there(cells: list[Cell]) -> None:
    numbers = {table.name.split("-")[0] for table in list_tables(cells, 0.1)}
    assert {"1", "2", "3", "4", "5", "6", "7", "8"} <= numbers


def test_image_level(cells: list[Cell]) -> None:
    tables = list_tables(cells, 0.1)
    clean, overlap, without = (find(tables, f"1-{name}").frame for name in ("clean", "overlap", "no-overlap"))
    assert list(clean.columns) == ["method", "pill", "tile", "average"]
    assert list(clean["method"]) == list(ROWS)
    row = clean.set_index("method").loc["PatchCore"]
    assert row.tolist() == pytest.approx([0.7, 0.72, 0.71])
    row = overlap.set_index("method").loc["PatchCore"]
    assert row.tolist() == pytest.approx([0.6, 0.62, 0.61, -0.1])
    row = without.set_index("method").loc["PatchCore"]
    assert row.tolist() == pytest.approx([0.7, 0.72, 0.71, 0.0])
    assert overlap.set_index("method").loc["CFLOW"].isna().all()
    assert overlap.set_index("method").loc["SoftCore-lof", "pill"] == pytest.approx(0.61)


def test_an_average_needs_every_category(cells: list[Cell]) -> None:
    some = [cell for cell in cells if not (cell.category == "tile" and cell.method == "padim")]
    frame = find(list_tables(some, 0.1), "1-overlap").frame.set_index("method")
    assert frame.loc["PaDiM", "pill"] == pytest.approx(0.6)
    assert np.isnan(frame.loc["PaDiM", "average"])
    assert np.isnan(frame.loc["PaDiM", "gap to clean"])


def test_pixel_level_is_of_the_categories_with_masks(cells: list[Cell]) -> None:
    table = find(list_tables(cells, 0.1), "2-pixel")
    assert table.title.endswith("average over tile")
    row = table.frame.set_index("method").loc["PatchCore"]
    assert row["pixel AUROC, overlap"] == pytest.approx(0.9)
    assert row["AUPRO, overlap, gap"] == pytest.approx(0)


def test_ablation_neighbours_and_denoising(cells: list[Cell]) -> None:
    tables = list_tables(cells, 0.1)
    ablation = find(tables, "3-ablation").frame
    assert list(ablation["discriminator"]) == ["none", *("nearest", "gaussian", "lof") * 2]
    assert ablation["pill, overlap"].tolist() == pytest.approx([0.6] * 4 + [0.61] * 3)
    neighbours = find(tables, "4-neighbours").frame
    assert list(neighbours["k"]) == [3, 4, 5, 6, 7, 8, 9]
    assert neighbours["tile, no overlap"].tolist() == pytest.approx([0.73] * 7)
    denoising = find(tables, "6-denoising").frame.set_index("method")
    assert denoising.loc["PaDiM*-denoised PatchCore", "pill, overlap"] == pytest.approx(0.6)
    assert list(find(tables, "7-denoising").frame.columns) == ["method", "tile, no overlap", "tile, overlap"]


def test_times_are_also_multiples_of_the_networks(cells: list[Cell]) -> None:
    frame = find(list_tables(cells, 0.1), "8-times").frame
    row = frame[(frame["method"] == "PatchCore") & (frame["category"] == "pill")].iloc[0]
    assert row["training, s"] == pytest.approx(12 + 110 * 0.02)
    assert row["training / network"] == pytest.approx(1 + 12 / (110 * 0.02))
    assert row["inference, ms an image"] == pytest.approx(70)
    assert row["inference / network"] == pytest.approx(3.5)


def test_every_noise_has_a_column(cells: list[Cell]) -> None:
    frame = find(list_tables(cells, 0.1), "all-noises-tile-overlap").frame.set_index("method")
    assert list(frame.columns) == ["noise 0", "noise 0.1"]
    assert frame.loc["PatchCore"].tolist() == pytest.approx([0.72, 0.62])


def test_the_papers_figures_stand_only_beside_its_data(cells: list[Cell]) -> None:
    assert not [table for table in list_tables(cells, 0.1) if table.name.startswith("paper")]
    mvtec = [make(name, noise, "patchcore", 0.6) for name in published.MVTEC_AD for noise in (0.0, 0.1)]
    frame = find(list_tables(mvtec, 0.1), "paper-mvtec-ad").frame
    row = frame[(frame["method"] == "PatchCore") & (frame["scenario"] == "overlap")].iloc[0]
    assert row["image AUROC, ours"] == pytest.approx(0.6)
    assert row["image AUROC, paper"] == 0.683
    assert row["pixel AUROC, paper"] == 0.654
    assert len(published.MVTEC_AD) == 15


def test_screw_of_mvtec_ad_is_known_by_its_numbers() -> None:
    cells = [make("screw", noise, "patchcore", 0.6) for noise in (0.0, 0.1)]
    assert not [table for table in list_tables(cells, 0.1) if table.name == "paper-screw"]
    cells = [cell.model_copy(update={"trained_on": 320 + cell.defects}) for cell in cells]
    frame = find(list_tables(cells, 0.1), "paper-screw").frame.set_index("method")
    assert frame.loc["PatchCore"].tolist() == pytest.approx([0.7, 0.966, 0.6, 0.710])
    assert frame.loc["SoftCore-lof", "overlap, paper"] == 0.923


def test_figures_are_one_line_each(cells: list[Cell]) -> None:
    frame = list_figures(cells[:1])
    assert len(frame) == 2
    assert set(frame["scenario"]) == set(SCENARIOS)
