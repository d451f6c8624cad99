"""Classes: tables of each defect class against all good test images, from finished cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from softcore_benchmarks.protocol.cells import Cell
from softcore_benchmarks.protocol.noise import SCENARIOS
from softcore_benchmarks.protocol.tables import CLEAN, ROWS, Table, with_index

__all__ = ["list_class_figures", "list_class_tables"]


def list_class_figures(cells: Iterable[Cell]) -> pd.DataFrame:
    """Return the figures by class, a line for each category, noise, row, scenario, seed and class."""
    lines = [
        {
            "category": cell.category,
            "noise": cell.noise,
            "method": cell.method,
            "row": row,
            "scenario": scenario,
            "seed": cell.seed,
            "class": name,
            "images": figure.images,
            "image_auroc": figure.image_auroc,
        }
        for cell in cells
        for row, scenarios in cell.figures.items()
        for scenario, figures in scenarios.items()
        for name, figure in figures.classes.items()
    ]
    columns = ["category", "noise", "method", "row", "scenario", "seed", "class", "images", "image_auroc"]
    frame: pd.DataFrame = pd.DataFrame(lines, columns=columns).astype({"image_auroc": float})
    return frame


def list_class_tables(figures: pd.DataFrame, noise: float, seeds: Sequence[int]) -> list[Table]:
    """Return three tables for each category of several classes: clean, no overlap and overlap.

    A class's column names the number of its images in the whole test set. Without overlap those in training
    are taken out; where a seed leaves none of a class, the mean is over the other seeds.

    Args:
        figures: as `list_class_figures` returns them.
        noise: defects as a share of the good training images.
        seeds: what wasn't computed with each of them is left out.
    """
    wanted = figures[figures["seed"].isin(seeds)]
    group = ["category", "noise", "row", "scenario"]
    wanted = wanted[wanted.groupby(group)["seed"].transform("nunique") == len(set(seeds))]
    tables = []
    for category in dict.fromkeys(wanted["category"]):
        here = wanted[wanted["category"] == category]
        whole = here[here["scenario"] == SCENARIOS[1]].groupby("class")["images"].max()
        if len(whole) < 2:
            continue
        for name, at, scenario in ((CLEAN, 0.0, SCENARIOS[1]), *((name, noise, name) for name in SCENARIOS)):
            picked = here[(here["noise"] == at) & (here["scenario"] == scenario)]
            if picked["image_auroc"].isna().all():
                continue
            frame = picked.pivot_table(index="row", columns="class", values="image_auroc", dropna=False)
            frame = frame.reindex(index=list(ROWS), columns=list(whole.index))
            frame.columns = [f"{kind} ({count})" for kind, count in whole.items()]
            shown = name if name == CLEAN else f"noise {noise:g}, {name}"
            title = f"Image AUROC of each defect class of {category} (number of images), {shown}"
            file = f"classes-{category}-{name.replace(' ', '-')}"
            tables.append(Table(file, title, with_index(frame, "method")))
    return tables
