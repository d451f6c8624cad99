"""Published: the paper's own figures on MVTec AD, and tables with ours beside them.

Jiang et al., "SoftPatch: Unsupervised Anomaly Detection with Noisy Data" (NeurIPS 2022), noise 0.1. Its
backbone is Wide ResNet-50; PaDiM* is PaDiM with ResNet-18. None where the paper has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from softcore_benchmarks.protocol.cells import Cell
from softcore_benchmarks.protocol.noise import SCENARIOS
from softcore_benchmarks.protocol.tables import Table

__all__ = ["AVERAGES", "CATEGORIES", "MVTEC_AD", "NOISE", "Published", "list_published"]

NOISE = 0.1
MVTEC_AD = frozenset(
    {
        *(
            "bottle",
            "cable",
            "capsule",
            "carpet",
            "grid",
            "hazelnut",
            "leather",
            "metal_nut",
            "pill",
            "screw",
        ),
        *("tile", "toothbrush", "transistor", "wood", "zipper"),
    }
)
# (image AUROC, pixel AUROC) on average over MVTec AD, by row and scenario.
AVERAGES: dict[tuple[str, str], tuple[float, float]] = {
    ("PatchCore", "no overlap"): (0.984, 0.956),
    ("SoftCore-lof", "no overlap"): (0.986, 0.979),
    ("PatchCore", "overlap"): (0.683, 0.654),
    ("SoftCore-lof", "overlap"): (0.982, 0.969),
}
# (no overlap, overlap) by row.
_Pairs = dict[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class Published:
    """The paper's figures on a category.

    Attributes:
        images: numbers of training, good and bad test images, by which the category is known: a copy of it
            may have another name, and another category the same.
        image_auroc: Table 1, (no overlap, overlap) by row.
        pixel_auroc: Table 5, (no overlap, overlap) by row.
    """

    images: tuple[int, int, int]
    image_auroc: _Pairs
    pixel_auroc: _Pairs


CATEGORIES: dict[str, Published] = {
    "pill": Published(
        images=(267, 26, 141),
        image_auroc={
            "PatchCore": (0.975, 0.770),
            "PaDiM": (0.918, None),
            "PaDiM*": (None, 0.722),
            "CFLOW": (0.929, 0.897),
            "SoftCore-nearest": (0.921, None),
            "SoftCore-gaussian": (0.873, None),
            "SoftCore-lof": (0.963, 0.955),
        },
        pixel_auroc={"PatchCore": (0.971, 0.608), "SoftCore-lof": (0.981, 0.976)},
    ),
    "screw": Published(
        images=(320, 41, 119),
        image_auroc={
            "PatchCore": (0.966, 0.710),
            "PatchCore-1 %-random": (None, 0.462),
            "PaDiM": (0.838, None),
            "CFLOW": (0.784, 0.570),
            "SoftCore-nearest": (0.862, None),
            "SoftCore-gaussian": (0.475, None),
            "SoftCore-lof": (0.960, 0.923),
        },
        pixel_auroc={"PatchCore": (0.995, 0.745), "SoftCore-lof": (0.994, 0.969)},
    ),
}
_OURS = ("SoftCore-auto",)  # rows that the paper doesn't have


def list_published(cells: Iterable[Cell], figures: pd.DataFrame) -> list[Table]:
    """Return tables with the paper's figures beside ours, of those of its categories that are there.

    Args:
        cells: finished cells, which say how many images a category has, and the backbone.
        figures: as `average_seeds` returns them.
    """
    ours = figures[figures["noise"] == NOISE]
    tables = []
    if set(figures["category"]) >= MVTEC_AD:
        tables.append(_tabulate_averages(ours[ours["category"].isin(MVTEC_AD)]))
    firsts: dict[str, Cell] = {}
    for cell in cells:
        firsts.setdefault(cell.category, cell)
    for category, first in firsts.items():
        images = (first.trained_on - first.defects, *first.tested_on)
        name = next((name for name, published in CATEGORIES.items() if published.images == images), None)
        if not name:
            continue
        known = f"MVTec AD's {name}" + ("" if category == name else f" ({category})")
        backbone = first.settings.get("backbone", "another backbone").split(" ")[0]
        here = ours[ours["category"] == category]
        for number, value, pairs in (
            (1, "image_auroc", CATEGORIES[name].image_auroc),
            (5, "pixel_auroc", CATEGORIES[name].pixel_auroc),
        ):
            title = (
                f"{known}, noise {NOISE:g}, {value.replace('_auroc', ' AUROC')}: ours ({backbone}) "
                f"beside the paper's Table {number} (Wide ResNet-50; PaDiM*: ResNet-18)"
            )
            file = f"paper-{category}-{value.replace('_', '-')}"
            tables.append(Table(file, title, _lay_beside(here, value, pairs)))
    return tables


def _lay_beside(ours: pd.DataFrame, value: str, pairs: _Pairs) -> pd.DataFrame:
    rows = [*pairs, *_OURS]
    laid = ours.pivot_table(index="row", columns="scenario", values=value, dropna=False)
    laid = laid.reindex(index=rows, columns=list(SCENARIOS))
    frame: pd.DataFrame = pd.DataFrame({"method": rows})
    for place, scenario in enumerate(SCENARIOS):
        frame[f"{scenario}, ours"] = laid[scenario].to_numpy()
        paper = [pairs.get(row, (None, None))[place] for row in rows]
        frame[f"{scenario}, paper"] = pd.Series(paper, dtype=float)
    return frame


def _tabulate_averages(ours: pd.DataFrame) -> Table:
    means = ours.groupby(["row", "scenario"])[["image_auroc", "pixel_auroc"]].mean()
    lines = [
        {
            "method": row,
            "scenario": scenario,
            "image AUROC, ours": means["image_auroc"].get((row, scenario)),
            "image AUROC, paper": image,
            "pixel AUROC, ours": means["pixel_auroc"].get((row, scenario)),
            "pixel AUROC, paper": pixel,
        }
        for (row, scenario), (image, pixel) in AVERAGES.items()
    ]
    title = "MVTec AD on average, noise 0.1: ours beside the paper's (Wide ResNet-50)"
    return Table("paper-mvtec-ad", title, pd.DataFrame(lines))
