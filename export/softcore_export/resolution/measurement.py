"""Measurement: opens the network at several resolutions, and measures what each costs and what it shows."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.cli.progress import print_message, track
from softcore_runtime.errors import DataError, FrameError, ImageError, UsageError

from softcore_export.resolution.resolution_choice import SIDES, USUAL, ResolutionChoice, Trial, choose_side
from softcore_export.resolution.separation import (
    Scores,
    Subject,
    bound_gain,
    fit_banks,
    score_labelled,
    score_synthetic,
)

__all__ = ["Opened", "measure_resolutions", "time_subjects"]

_ROUNDS = 15  # of timing
_BUSY = 1.25  # processes for each core that want to run, from which times are too long
_MOST, _LEAST = 60, 12  # images in a small bank, and as many that are scored
_SECONDS = 60.0  # that measuring may take, about; with a slow network fewer images are taken
_SEEN = 5  # times that a pair of images goes through a network: one for the bank, one good and with 3 defects
_ENLARGED = 1.02  # an input that enlarges images by more than this shows nothing more

_Network = TypeVar("_Network")


@dataclass(frozen=True, eq=False)
class Opened(Generic[_Network]):
    """The network at one resolution.

    Attributes:
        network: as it was opened, to go on with.
        subject: what is measured of it.
    """

    network: _Network
    subject: Subject


def measure_resolutions(
    open_network: Callable[[int], Opened[_Network]],
    paths: Sequence[Path],
    labelled: Sequence[tuple[Path, bool]],
    budget: float,
    seed: int,
    confirmed: Sequence[Path] = (),
) -> tuple[_Network, ResolutionChoice]:
    """Measure several resolutions and choose one, see `choose_side`.

    Args:
        open_network: opens the network for an input of so many pixels.
        paths: the training images.
        labelled: labelled images with whether they are defective; empty takes synthetic defects.
        budget: milliseconds that the network may take for a frame.
        seed: of the choice of images, and of the defects.
        confirmed: images of defective parts that a person has confirmed, which are scored besides.

    Returns:
        the network at the chosen resolution, and what was measured.

    Raises:
        UsageError: the network takes none of the sizes.
        DataError: no image can be read.
    """
    shuffled = [paths[i] for i in np.random.default_rng(seed).permutation(len(paths))]
    opened, notes = _open(open_network, [side for side in SIDES if side >= USUAL])
    frame = _read_first(shuffled, next(iter(opened.values())).subject)
    notes |= {side: _describe_enlarged(opened[side].subject, frame) for side in opened}
    seen = {side: each.subject for side, each in opened.items() if not notes[side] or side == USUAL}
    costs = time_subjects(seen, frame)
    if min(costs.values()) > budget:
        smaller, found = _open(open_network, [side for side in SIDES if side < USUAL])
        opened, notes = smaller | opened, found | notes
        costs |= time_subjects({side: each.subject for side, each in smaller.items()}, frame)
    subjects = {side: seen[side] for side in sorted(seen)}
    scores, taught = _score(
        list(subjects.values()), sum(costs[side] for side in subjects), shuffled, labelled, seed, confirmed
    )
    gains = dict(zip(subjects, (bound_gain(taught[0], each) for each in taught), strict=False))
    separations = dict(zip(subjects, (each.auroc for each in scores), strict=True))
    trials = tuple(
        Trial(
            side,
            costs.get(side),
            separations.get(side),
            "" if side == USUAL else notes.get(side, ""),
            gains.get(side),
        )
        for side in sorted({*opened, *notes})
    )
    side = choose_side(trials, budget)
    choice = ResolutionChoice(
        side, trials, budget, bool(labelled), len(scores[0].good), len(scores[0].defective),
        len(taught[0].defective) if taught else 0,
    )  # fmt: skip
    return opened[side].network, choice


def time_subjects(subjects: dict[int, Subject], frame: NDArray[np.uint8]) -> dict[int, float]:
    """Time resolutions in turn, from a frame to its features: milliseconds, by size.

    The shortest time counts: other work on the machine only adds to it. Where there is much of that, a line
    on standard error says so.

    Args:
        subjects: by size.
        frame: uint8 BGR `[H, W, 3]`.
    """
    spent: dict[int, list[float]] = {side: [] for side in subjects}
    for number in range(_ROUNDS + 1):
        for side, subject in subjects.items():
            start = time.perf_counter()
            subject.see(frame)
            if number:  # the first round warms up
                spent[side].append(1000 * (time.perf_counter() - start))
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > _BUSY * cores:
        print_message(
            f"warning: other work runs on this machine (load {load:.1f}, {cores} cores): the networks were "
            "timed too slow, and a smaller resolution may be chosen; export again when it is idle, or give "
            "--budget"
        )
    return {side: min(times) for side, times in spent.items()}


def _open(
    open_network: Callable[[int], Opened[_Network]], sides: Sequence[int]
) -> tuple[dict[int, Opened[_Network]], dict[int, str]]:
    """Open the network at each size; return those that could be, and why others couldn't."""
    opened: dict[int, Opened[_Network]] = {}
    for side in track(sides, "resolution: networks"):
        with contextlib.suppress(UsageError) if side != USUAL else contextlib.nullcontext():
            opened[side] = open_network(side)
    return opened, {side: "the network takes no such input" for side in sides if side not in opened}


def _read_first(paths: Sequence[Path], subject: Subject) -> NDArray[np.uint8]:
    for path in paths:
        try:
            frame = subject.preprocessing.read(path)
            subject.preprocessing.apply(frame)
        except (FrameError, ImageError):
            continue
        return frame
    raise DataError("no training image can be read")


def _describe_enlarged(subject: Subject, frame: NDArray[np.uint8]) -> str:
    """Describe by how much an input enlarges a frame, where that is too much to show anything new."""
    window = subject.preprocessing.window(*frame.shape[:2])
    height, width = subject.preprocessing.canvas
    factor = math.sqrt(height * width / (window.width * window.height))
    return f"would enlarge the images {factor:.1f} times" if factor > _ENLARGED else ""


def _score(
    subjects: Sequence[Subject],
    milliseconds: float,
    paths: Sequence[Path],
    labelled: Sequence[tuple[Path, bool]],
    seed: int,
    confirmed: Sequence[Path],
) -> tuple[list[Scores], list[Scores]]:
    """Score labelled images, or synthetic defects; and confirmed defects, none if there are none."""
    affordable = int(1000 * _SECONDS / (_SEEN * milliseconds))
    count = min(max(_LEAST, min(_MOST, affordable)), len(paths) // 2)
    banks = fit_banks(subjects, paths[:count], seed)
    if labelled:
        scores = score_labelled(banks, list(_thin(labelled, _SEEN * count)))
    else:
        scores = score_synthetic(banks, paths[count : 2 * count], seed)
    some = list(_thin([(path, True) for path in confirmed], 2 * count))
    taught = [
        Scores(before.good, one.defective)
        for before, one in zip(scores, score_labelled(banks, some) if some else [], strict=False)
    ]
    return scores, taught if taught and len(taught[0].defective) else []


def _thin(images: Sequence[tuple[Path, bool]], most: int) -> Iterator[tuple[Path, bool]]:
    """Yield at most about so many images, evenly of both kinds."""
    for kind in (False, True):
        some = [image for image in images if image[1] == kind]
        yield from some[:: max(1, math.ceil(2 * len(some) / most))]
