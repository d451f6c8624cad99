"""Cells: one category, noise, method and seed; computed once and stored, so that a run can be resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.separation import auroc

from softcore_benchmarks.data.category import GOOD
from softcore_benchmarks.measuring.interleaving import time_median
from softcore_benchmarks.measuring.metrics import aupro
from softcore_benchmarks.protocol.experiments import Experiment
from softcore_benchmarks.protocol.methods import METHODS, Scores, Task
from softcore_benchmarks.protocol.noise import SCENARIOS, count_defects

__all__ = [
    "FILE",
    "Cell",
    "ClassFigure",
    "Figures",
    "append_cell",
    "compute_cell",
    "enough_defects",
    "find_cell",
    "read_cells",
    "write_cells",
]

FILE = "cells.jsonl"  # one cell a line
_REFERENCE_RUNS = 9


class ClassFigure(BaseModel):
    """Accuracy on one defect class.

    Attributes:
        images: number of its test images.
        image_auroc: of these against all good test images, in 0..1; None if there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    image_auroc: float | None


class Figures(BaseModel):
    """Accuracy of a row in 0..1; None where there are no masks, or no defects left.

    Attributes:
        image_auroc, pixel_auroc, aupro: of all test images.
        classes: by defect class; empty in cells that were computed before there were such figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_auroc: float | None
    pixel_auroc: float | None
    aupro: float | None
    classes: dict[str, ClassFigure] = {}


class Cell(BaseModel):
    """Results of a method on a category at a noise.

    Attributes:
        category: its name.
        noise: defects among the training images, as a share of the good ones.
        method: a key of `METHODS`.
        seed: of the draw of defects and of training.
        settings: everything else that the figures depend on, in words.
        trained_on: number of training images, with defects.
        defects: number of defects among them.
        tested_on: numbers of good and bad test images.
        figures: by row and scenario.
        fit_seconds: of training, from the features on.
        score_seconds: from features to scores, for one image; the search of a memory bank is exhaustive.
        backbone_seconds: of the network for one image, measured in the same process right before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: str
    noise: float
    method: str
    seed: int = 0
    settings: dict[str, str]
    trained_on: int
    defects: int
    tested_on: tuple[int, int]
    figures: dict[str, dict[str, Figures]]
    fit_seconds: float
    score_seconds: float
    backbone_seconds: float

    @property
    def key(self) -> tuple[str, float, str, int]:
        """What tells it from the others: category, noise, method and seed."""
        return self.category, self.noise, self.method, self.seed


def compute_cell(experiment: Experiment, noise: float, method: str) -> Cell:
    """Train a method on the training images with noise and test it in both scenarios.

    Raises:
        DataError: there are not enough defects for this noise.
    """
    train, drawn = experiment.add_noise(noise)
    start = time.perf_counter()
    score = METHODS[method].fit(Task(train, experiment.settings, experiment.cflow))
    fitted = time.perf_counter() - start
    reference = _time_backbone(experiment)
    start = time.perf_counter()
    rows = score(experiment.test)
    scored = time.perf_counter() - start
    bad = experiment.category.bad
    return Cell(
        category=experiment.category.name,
        noise=noise,
        method=method,
        seed=experiment.settings.seed,
        settings=_describe(experiment, method),
        trained_on=len(train),
        defects=len(drawn),
        tested_on=(int((~bad).sum()), int(bad.sum())),
        figures={row: dict(_measure(experiment, scores, drawn)) for row, scores in rows.items()},
        fit_seconds=fitted,
        score_seconds=scored / len(experiment.test),
        backbone_seconds=reference,
    )


def append_cell(folder: Path, cell: Cell) -> None:
    """Append a finished cell to those in `folder`; it is on the disk when this returns."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as stream:
        stream.write(cell.model_dump_json() + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_cells(folder: Path) -> list[Cell]:
    """Read the finished cells in `folder`; of those with the same key the last.

    A last line that a crash cut off is removed: that cell is computed again.

    Raises:
        DataError: another line is no cell.
    """
    path = folder / FILE
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    if lines and not lines[-1].endswith("\n"):
        path.write_text("".join(lines[:-1]))
        lines.pop()
    every = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]
    return list({cell.key: cell for cell in every}.values())


def write_cells(folder: Path, cells: Iterable[Cell]) -> None:
    """Write the finished cells in `folder` anew, in place of the file that is there."""
    partial = folder / f"{FILE}.partial"
    partial.write_text("".join(f"{cell.model_dump_json()}\n" for cell in cells))
    partial.replace(folder / FILE)


def find_cell(cells: Sequence[Cell], experiment: Experiment, noise: float, method: str) -> Cell | None:
    """Return a finished cell, or None.

    Raises:
        UsageError: cells of this category were computed with other settings; they can't share a table.
    """
    wanted = _describe(experiment, method)
    for cell in cells:
        shared = sorted(cell.settings.keys() & wanted.keys() - {"seed"})
        other = next((name for name in shared if cell.settings[name] != wanted[name]), None)
        if cell.category == experiment.category.name and other:
            raise UsageError(
                f"{cell.category}, noise {cell.noise:g}, {cell.method}: was computed with {other} "
                f"{cell.settings[other]}, now it is {wanted[other]}; choose another --out"
            )
    key = (experiment.category.name, noise, method, experiment.settings.seed)
    return next((cell for cell in cells if cell.key == key), None)


def enough_defects(experiment: Experiment, noise: float) -> bool:
    """Return whether the test set has enough defects for this noise."""
    return count_defects(len(experiment.train), noise) <= len(experiment.category.defects)


def _parse(line: str, place: str) -> Cell:
    try:
        return Cell.model_validate_json(line)
    except ValidationError as error:
        raise DataError(f"{place}: not a cell ({error.errors()[0]['msg']})") from error


def _describe(experiment: Experiment, method: str) -> dict[str, str]:
    if not METHODS[method].needs_cflow:
        return experiment.described
    run = experiment.cflow
    return experiment.described | {"CFLOW": f"{run.steps} steps of {run.fiber_batch} positions"}


def _measure(experiment: Experiment, scores: Scores, drawn: Iterable[int]) -> Iterator[tuple[str, Figures]]:
    """Compute the figures in each of `SCENARIOS`."""
    bad, kinds = experiment.category.bad, experiment.category.kinds
    maps = scores.draw_maps() if experiment.masks is not None else None
    left = np.ones(len(bad), np.bool_)
    left[list(drawn)] = False
    for scenario, rows in zip(SCENARIOS, (left, np.ones_like(left)), strict=True):
        classes = _measure_classes(kinds, scores.images, rows)
        if not bad[rows].any():
            yield scenario, Figures(image_auroc=None, pixel_auroc=None, aupro=None, classes=classes)
            continue
        pixel = region = None
        if maps is not None and experiment.masks is not None:
            marked, shown = experiment.masks[rows], maps[rows]
            pixel, region = auroc(shown[~marked], shown[marked]), aupro(marked, shown)
        image = auroc(scores.images[rows & ~bad], scores.images[rows & bad])
        yield scenario, Figures(image_auroc=image, pixel_auroc=pixel, aupro=region, classes=classes)


def _measure_classes(
    kinds: NDArray[np.str_], images: NDArray[np.float32], rows: NDArray[np.bool_]
) -> dict[str, ClassFigure]:
    """Measure each defect class against all good images; of both only those in `rows`, bool `[M]`."""
    good = images[rows & (kinds == GOOD)]
    classes = {}
    for name in np.unique(kinds[kinds != GOOD]).tolist():
        shown = images[rows & (kinds == name)]
        area = auroc(good, shown) if len(shown) else None
        classes[name] = ClassFigure(images=len(shown), image_auroc=area)
    return classes


def _time_backbone(experiment: Experiment) -> float:
    crops = experiment.test.crops[:_REFERENCE_RUNS]
    return time_median(
        lambda number: experiment.backbone.features(np.asarray(crops[number])[None]), len(crops)
    )
