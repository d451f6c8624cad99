"""Drawn: three procedurally drawn categories, so that a rule isn't fitted to a few real ones.

* `drawn_pill`: the pill of the demo, every part at nearly the same place.
* `drawn_turned`: the same, turned by any angle and shifted.
* `drawn_weave`: a grained, woven texture with spots and scratches; no part has a fixed place.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_export.data import procedural_pill
from softcore_runtime.cli.progress import track

__all__ = ["DRAWN", "draw_datasets"]

TRAIN, GOOD, BAD = 56, 20, 50  # images of each kind
SIZE = 256  # pixels of a side
_SHIFT = 14  # pixels in either direction, of the turned pill
_RIM, _RIMS = 24, 4  # pixels of table beside the pill, and the number of times they are mirrored outwards
_PERIOD = 9.0  # pixels from thread to thread

Image = NDArray[np.uint8]  # BGR [SIZE, SIZE, 3]


def draw_datasets(folder: Path, names: list[str] | None = None) -> list[Path]:
    """Draw the categories in MVTec AD's layout, all or those of these names, unless they exist.

    Every image has a random generator of its own, so that images are the same every time.

    Returns:
        the categories' folders.
    """
    return [_draw_category(folder / name) for name in DRAWN if names is None or name in names]


def _draw_category(place: Path) -> Path:
    if place.exists():
        return place
    draft = place.with_name(f"{place.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draw, defects = DRAWN[place.name]
    wanted: list[tuple[str, str | None, int]] = [
        *(("train/good", None, number) for number in range(TRAIN)),
        *(("test/good", None, number) for number in range(GOOD)),
        *((f"test/{defects[i % len(defects)]}", defects[i % len(defects)], i) for i in range(BAD)),
    ]
    for where, defect, number in track(wanted, f"{place.name}: drawing"):
        rng = np.random.default_rng([number, *f"{place.name}/{where}".encode()])
        path = draft / where / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", draw(rng, defect))[1].tobytes())
    draft.rename(place)
    return place


def _draw_pill(rng: np.random.Generator, defect: str | None) -> Image:
    return procedural_pill.draw_pill(rng, defect, SIZE)[0]


def _draw_turned(rng: np.random.Generator, defect: str | None) -> Image:
    """Turn and shift the pill on a table that is enlarged by mirroring its rim."""
    image = _draw_pill(rng, defect)
    for _ in range(_RIMS):
        image = np.asarray(
            cv2.copyMakeBorder(image, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_REFLECT_101), np.uint8
        )
    middle = SIZE / 2 + _RIMS * _RIM
    pose = cv2.getRotationMatrix2D((middle, middle), rng.uniform(0, 360), 1)
    shift = SIZE / 2 - middle + rng.uniform(-_SHIFT, _SHIFT, 2)
    pose = np.asarray(pose, np.float64) + np.column_stack([np.zeros((2, 2)), shift])
    return np.asarray(cv2.warpAffine(image, pose, (SIZE, SIZE)), np.uint8)


def _draw_weave(rng: np.random.Generator, defect: str | None) -> Image:
    """Draw threads that go over and under each other, with a grain, under uneven light."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    turn = np.deg2rad(rng.normal(0, 2))
    across = 2 * np.pi * (np.cos(turn) * x + np.sin(turn) * y) / _PERIOD + rng.uniform(0, 2 * np.pi)
    down = 2 * np.pi * (np.cos(turn) * y - np.sin(turn) * x) / _PERIOD + rng.uniform(0, 2 * np.pi)
    over = np.sin(across / 2) * np.sin(down / 2) > 0  # which thread is on top, as on a chessboard
    threads = np.where(over, np.abs(np.sin(across / 2)), 0.9 * np.abs(np.sin(down / 2)))
    noise = rng.standard_normal((SIZE, SIZE), np.float32)
    grain = np.asarray(cv2.GaussianBlur(noise, (0, 0), 14, sigmaY=1.2), np.float32)
    grain /= grain.std()
    slope = rng.normal(0, 8, 2)
    light = slope[0] * (x / SIZE - 0.5) + slope[1] * (y / SIZE - 0.5) + rng.normal(0, 3)
    grey = 95 + 45 * threads + 7 * grain + light + rng.normal(0, 2.5, (SIZE, SIZE))
    grey += _FLAWS[defect](rng) if defect else 0
    blurred = np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 0.7), np.float32)
    coloured = blurred[:, :, None] * np.array((0.82, 0.95, 1.0), np.float32)
    return np.asarray(np.clip(np.rint(coloured), 0, 255), np.uint8)


def _draw_spot(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a dark or light spot with a soft edge, to be added to the grey level, `[SIZE, SIZE]`."""
    spot = np.zeros((SIZE, SIZE), np.float32)
    middle = tuple(rng.integers(30, SIZE - 30, 2).tolist())
    axes = tuple(rng.integers(4, 11, 2).tolist())
    cv2.ellipse(spot, middle, axes, rng.uniform(0, 180), 0, 360, (1.0,), -1)
    depth = rng.choice([-1, 1]) * rng.uniform(30, 60)
    return np.asarray(depth * cv2.GaussianBlur(spot, (0, 0), 1.5), np.float32)


def _draw_scratch(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a thin, light, slightly bent line, to be added to the grey level, `[SIZE, SIZE]`."""
    line = np.zeros((SIZE, SIZE), np.float32)
    turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, int(rng.integers(8, 18))))
    steps = 5 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    points = np.cumsum(steps, axis=0)
    points += rng.uniform(60, SIZE - 60, 2) - points.mean(axis=0)
    cv2.polylines(line, [np.rint(points).astype(np.int32)], False, (1.0,), int(rng.integers(1, 3)))
    return np.asarray(rng.uniform(45, 90) * cv2.GaussianBlur(line, (0, 0), 0.6), np.float32)


_FLAWS: dict[str, Callable[[np.random.Generator], NDArray[np.float32]]] = {
    "scratch": _draw_scratch,
    "spot": _draw_spot,
}
DRAWN: dict[str, tuple[Callable[[np.random.Generator, str | None], Image], tuple[str, ...]]] = {
    "drawn_pill": (_draw_pill, procedural_pill.DEFECTS),
    "drawn_turned": (_draw_turned, procedural_pill.DEFECTS),
    "drawn_weave": (_draw_weave, tuple(_FLAWS)),
}
