from __future__ import annotations

import numpy as np
import pytest
from softcore_benchmarks.protocol import published
from softcore_benchmarks.protocol.cells import Cell
from softcore_benchmarks.protocol.published import list_published
from softcore_benchmarks.protocol.tables import Table, average_seeds, list_figures

from .test_tables import find, make


def tabulate(cells: list[Cell]) -> list[Table]:
    return list_published(cells, average_seeds(list_figures(cells), [0]))


def with_images(cell: Cell, images: tuple[int, int, int]) -> Cell:
    train, good, bad = images
    return cell.model_copy(update={"trained_on": train + cell.defects, "tested_on": (good, bad)})


def test_averages_stand_only_beside_all_of_mvtec_ad() -> None:
    assert not tabulate([make("pill", noise, "patchcore", 0.6) for noise in (0.0, 0.1)])
    cells = [make(name, noise, "patchcore", 0.6) for name in published.MVTEC_AD for noise in (0.0, 0.1)]
    frame = find(tabulate(cells), "paper-mvtec-ad").frame
    row = frame[(frame["method"] == "PatchCore") & (frame["scenario"] == "overlap")].iloc[0]
    assert row["image AUROC, ours"] == pytest.approx(0.6)
    assert row["image AUROC, paper"] == 0.683
    assert row["pixel AUROC, paper"] == 0.654
    assert len(published.MVTEC_AD) == 15


@pytest.mark.parametrize(("name", "number"), [("screw", "screw"), ("mvtec_pill", "pill")])
def test_a_category_is_known_by_its_numbers(name: str, number: str) -> None:
    cells = [
        make(name, noise, method, 0.6, 0.8)
        for noise in (0.0, 0.1)
        for method in ("patchcore", "softcore-auto")
    ]
    assert not tabulate(cells)
    known = published.CATEGORIES[number]
    tables = tabulate([with_images(cell, known.images) for cell in cells])
    assert [table.name for table in tables] == [f"paper-{name}-{value}-auroc" for value in ("image", "pixel")]
    image, pixel = (table.frame.set_index("method") for table in tables)
    assert list(image.columns) == [
        f"{scenario}, {whose}" for scenario in ("no overlap", "overlap") for whose in ("ours", "paper")
    ]
    first, second = known.image_auroc["PatchCore"]
    assert image.loc["PatchCore"].tolist() == pytest.approx([0.7, first, 0.6, second])
    assert image.loc["SoftCore-auto"].tolist() == pytest.approx([0.7, np.nan, 0.6, np.nan], nan_ok=True)
    assert np.isnan(image.loc["SoftCore-lof", "overlap, ours"])
    assert pixel.loc["PatchCore", "overlap, ours"] == pytest.approx(0.8)
    assert pixel.loc["SoftCore-lof", "overlap, paper"] == known.pixel_auroc["SoftCore-lof"][1]


def test_the_title_names_both_backbones() -> None:
    cell = with_images(make("mvtec_pill", 0.1, "patchcore", 0.6), (267, 26, 141))
    image, pixel = (table.title for table in tabulate([cell]))
    assert image == (
        "MVTec AD's pill (mvtec_pill), noise 0.1, image AUROC: ours (resnet18) beside the paper's Table 1 "
        "(Wide ResNet-50; PaDiM*: ResNet-18)"
    )
    assert "pixel AUROC" in pixel
    assert "Table 5" in pixel


def test_the_papers_figures() -> None:
    pill, screw = published.CATEGORIES["pill"], published.CATEGORIES["screw"]
    assert pill.image_auroc["SoftCore-lof"] == (0.963, 0.955)
    assert pill.image_auroc["PaDiM*"] == (None, 0.722)
    assert pill.pixel_auroc == {"PatchCore": (0.971, 0.608), "SoftCore-lof": (0.981, 0.976)}
    assert screw.image_auroc["SoftCore-lof"] == (0.960, 0.923)
    assert screw.pixel_auroc == {"PatchCore": (0.995, 0.745), "SoftCore-lof": (0.994, 0.969)}
