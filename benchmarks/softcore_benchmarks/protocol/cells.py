"""Cells: one category, one noise, one method; computed once and kept, so that a run can be resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from softcore_export.settings import ExportSettings
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.errors import DataError, UsageError

from softcore_benchmarks.baselines import cflow
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.measuring.metrics import aupro, auroc
from softcore_benchmarks.protocol.methods import METHODS, Images, Scores, Task
from softcore_benchmarks.protocol.noise import SCENARIOS, draw_noise

__all__ = ["FILE", "Cell", "Figures", "Ground", "compute", "enough_defects", "find", "keep", "read_cells"]

FILE = "cells.jsonl"  # one cell a line
_REFERENCE_RUNS = 9


class Figures(BaseModel):
    """Accuracy of a row, shares in 0..1; None where there are no masks or no defects left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_auroc: float | None
    pixel_auroc: float | None
    aupro: float | None


class Cell(BaseModel):
    """What a method reached on a category at a noise.

    Attributes:
        category: its name.
        noise: defects among the training images, as a share of the good ones.
        method: a key of `METHODS`.
        settings: of everything that the figures depend on.
        trained_on: training images, defects included.
        defects: among them.
        tested_on: test images, good and bad.
        figures: by row and scenario.
        fit_seconds: from features to what is learned.
        score_seconds: from features to scores, an image; the search of a memory bank is exhaustive.
        backbone_seconds: of the network, an image, in the same process right before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: str
    noise: float
    method: str
    settings: dict[str, str]
    trained_on: int
    defects: int
    tested_on: tuple[int, int]
    figures: dict[str, dict[str, Figures]]
    fit_seconds: float
    score_seconds: float
    backbone_seconds: float


@dataclass(frozen=True, eq=False)
class Ground:
    """A category with all that its cells share.

    Attributes:
        category: names and paths.
        train: the good training images.
        test: the test images.
        masks: bool `[M, crop, crop]`, None without.
        settings: how to train; noise and method aside.
        backbone: the network, as the reference of times.
        cflow: how CFLOW is run.
        described: the settings in words, see `Cell.settings`.
    """

    category: Category
    train: Images
    test: Images
    masks: NDArray[np.bool_] | None
    settings: ExportSettings
    backbone: OnnxBackbone
    cflow: cflow.Environment
    described: dict[str, str]

    def dirty(self, noise: float) -> tuple[Images, NDArray[np.int64]]:
        """Put defects among the training images, after them; return all and the defects' test rows.

        Raises:
            DataError: there are not enough defects.
        """
        bad = np.flatnonzero(self.category.bad)
        drawn = draw_noise([self.category.test[row] for row in bad], len(self.train), noise)
        rows = np.array([self.category.test.index(path) for path in drawn], np.int64)
        return self.train.join(self.test.take(rows)), rows


def compute(ground: Ground, noise: float, method: str) -> Cell:
    """Train a method on the dirty images and test it in both scenarios.

    Raises:
        DataError: there are not enough defects for this noise.
    """
    train, drawn = ground.dirty(noise)
    start = time.perf_counter()
    score = METHODS[method].fit(Task(train, ground.settings, ground.cflow))
    fitted = time.perf_counter() - start
    reference = _time_backbone(ground)
    start = time.perf_counter()
    rows = score(ground.test)
    scored = time.perf_counter() - start
    bad = ground.category.bad
    return Cell(
        category=ground.category.name,
        noise=noise,
        method=method,
        settings=_describe(ground, method),
        trained_on=len(train),
        defects=len(drawn),
        tested_on=(int((~bad).sum()), int(bad.sum())),
        figures={row: dict(_measure(ground, scores, drawn)) for row, scores in rows.items()},
        fit_seconds=fitted,
        score_seconds=scored / len(ground.test),
        backbone_seconds=reference,
    )


def keep(folder: Path, cell: Cell) -> None:
    """Add a finished cell to those in `folder`; it is on the disk when this returns."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as stream:
        stream.write(cell.model_dump_json() + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_cells(folder: Path) -> list[Cell]:
    """Read the finished cells in `folder`.

    A last line that was cut off by a crash is passed over: that cell is computed again.

    Raises:
        DataError: another line is no cell.
    """
    path = folder / FILE
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    if lines and not lines[-1].endswith("\n"):
        path.write_text("".join(lines[:-1]))
        lines.pop()
    return [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def find(cells: Iterable[Cell], ground: Ground, noise: float, method: str) -> Cell | None:
    """Find a finished cell, None if there is none.

    Raises:
        UsageError: it was computed with other settings.
    """
    key = (ground.category.name, noise, method)
    cell = next((cell for cell in cells if (cell.category, cell.noise, cell.method) == key), None)
    if cell is None:
        return None
    wanted = _describe(ground, method)
    if cell.settings != wanted:
        names = sorted({*cell.settings, *wanted})
        other = next(name for name in names if cell.settings.get(name) != wanted.get(name))
        raise UsageError(
            f"{cell.category}, noise {noise:g}, {method}: was computed with {other} "
            f"{cell.settings.get(other)}, now it is {wanted.get(other)}; choose another --out"
        )
    return cell


def enough_defects(ground: Ground, noise: float) -> bool:
    """Tell whether the test set has defects for this noise."""
    return round(noise * len(ground.train)) <= int(ground.category.bad.sum())


def _parse(line: str, place: str) -> Cell:
    try:
        return Cell.model_validate_json(line)
    except ValidationError as error:
        raise DataError(f"{place}: not a cell ({error.errors()[0]['msg']})") from error


def _describe(ground: Ground, method: str) -> dict[str, str]:
    if not METHODS[method].needs_cflow:
        return ground.described
    run = ground.cflow
    return ground.described | {"CFLOW": f"{run.steps} steps of {run.fiber_batch} positions"}


def _measure(ground: Ground, scores: Scores, drawn: Iterable[int]) -> Iterator[tuple[str, Figures]]:
    """Measure in each scenario of `SCENARIOS`."""
    bad = ground.category.bad
    maps = scores.draw_maps() if ground.masks is not None else None
    left = np.ones(len(bad), np.bool_)
    left[list(drawn)] = False
    for scenario, rows in zip(SCENARIOS, (left, np.ones_like(left)), strict=True):
        if not bad[rows].any():
            yield scenario, Figures(image_auroc=None, pixel_auroc=None, aupro=None)
            continue
        pixel = region = None
        if maps is not None and ground.masks is not None:
            pixel = auroc(ground.masks[rows], maps[rows])
            region = aupro(ground.masks[rows], maps[rows])
        image = auroc(bad[rows], scores.images[rows])
        yield scenario, Figures(image_auroc=image, pixel_auroc=pixel, aupro=region)


def _time_backbone(ground: Ground) -> float:
    times = []
    for crop in ground.test.crops[:_REFERENCE_RUNS]:
        start = time.perf_counter()
        ground.backbone.features(np.asarray(crop)[None])
        times.append(time.perf_counter() - start)
    return float(np.median(times))
