"""Interleaving: timing several things in turn, so that a noisy machine is equally noisy to all of them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from softcore_runtime.cli.progress import track

__all__ = ["Times", "calm_threads", "interleave", "time_median"]

# OpenBLAS's threads wait for more work and take another's cores meanwhile: 2^4 turns instead of 2^28.
_CALM = {"OPENBLAS_THREAD_TIMEOUT": "4"}


@dataclass(frozen=True)
class Times:
    """Times of a subject.

    Attributes:
        median: milliseconds.
        p95: milliseconds.
        ratio: of the median to that of the reference.
    """

    median: float
    p95: float
    ratio: float


def calm_threads() -> None:
    """Start this process anew with matrix products whose threads sleep when they have nothing to do.

    They read their settings when they are loaded, before any code of ours.
    """
    if not _CALM.items() <= os.environ.items():
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **_CALM})  # noqa: S606


def interleave(
    subjects: Mapping[str, Callable[[int], float | None]],
    rounds: int,
    references: Mapping[str, str],
    pause: float = 0.005,
) -> dict[str, Times]:
    """Time each subject once a round, after one round that doesn't count.

    Args:
        subjects: by name; each gets the number of the round, and may return its own time in milliseconds.
        rounds: number of rounds.
        references: names of the subjects to whose medians those of others are ratios, by the others' names.
        pause: seconds between two subjects, for the threads of the first to fall asleep.
    """
    spent: dict[str, list[float]] = {name: [] for name in subjects}
    for number in track(range(rounds + 1), "rounds"):
        for name, run in subjects.items():
            time.sleep(pause)
            start = time.perf_counter()
            own = run(number)
            milliseconds = 1000 * (time.perf_counter() - start) if own is None else own
            if number:
                spent[name].append(milliseconds)
    medians = {name: float(np.median(times)) for name, times in spent.items()}
    return {
        name: Times(
            median=round(medians[name], 3),
            p95=round(float(np.percentile(times, 95)), 3),
            ratio=round(medians[name] / medians[references.get(name, name)], 3),
        )
        for name, times in spent.items()
    }


def time_median(work: Callable[[int], object], rounds: int, warm_up: int = 0) -> float:
    """Return the median of the seconds that a piece of work takes.

    Args:
        work: gets the number of the round; must end with numbers on the host.
        rounds: number of rounds that count.
        warm_up: number of rounds before, which don't.
    """
    spent = []
    for number in range(-warm_up, rounds):
        start = time.perf_counter()
        work(number)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent[warm_up:]))
