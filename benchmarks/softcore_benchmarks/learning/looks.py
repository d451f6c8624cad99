"""Looks: the accuracy after a truthful reviewer has looked at some training images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from softcore_export.contamination.estimate import reconsider
from softcore_export.contamination.look_order import value_looks
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_runtime.cli.progress import track
from softcore_runtime.separation import auroc

from softcore_benchmarks.learning.bench import Bench, Draw

__all__ = ["LOOKS", "Order", "measure_looks"]

LOOKS = (10, 20, 40, 80)
_ROUND = 10  # looks, after which `--review` values the rest anew
Order = Literal["suspicion", "worth"]
Row = dict[str, object]


def measure_looks(bench: Bench, draw: Draw) -> Iterator[Row]:
    """Yield a row before the first look, after looks in each order, and for a reviewer who looked at all.

    After 10, 20, 40 and 80 looks the memory bank is learned again and what is left is ordered anew, as by
    a person who exports again then. An image that stands for others that look alike counts as one look, and
    the answer is theirs, too.
    """
    first = bench.fit(draw)
    yield _describe(bench, draw, first, "none", 0, np.zeros(len(draw.dirty), np.int8))
    for order in track(get_args(Order), f"{bench.category.name} {bench.side}, draw {draw.seed}"):
        known, learned, done = np.zeros(len(draw.dirty), np.int8), first, 0
        for looks in LOOKS:
            known, done = _look(bench, draw, learned, known, order, looks - done), looks
            learned = bench.fit(draw, lambda kept, known=known: _overrule(kept, known))  # type: ignore[misc]
            yield _describe(bench, draw, learned, order, looks, known)
    everything = _answer(draw, np.arange(len(draw.dirty)), np.zeros(len(draw.dirty), np.int8))
    learned = bench.fit(draw, lambda kept: _overrule(kept, everything))
    yield _describe(bench, draw, learned, "oracle", len(draw.dirty), everything)


def _look(
    bench: Bench, draw: Draw, learned: MemoryBank, known: NDArray[np.int8], order: Order, count: int
) -> NDArray[np.int8]:
    """Look at `count` more images, and return what is known then."""
    if order == "suspicion":
        ranked = np.argsort(-draw.estimate.images, kind="stable")
        return _answer(draw, ranked[known[ranked] == 0][:count], known)
    for look in range(count):
        if look % _ROUND == 0:
            estimate = reconsider(draw.estimate, known)
            values = value_looks(estimate, learned.kept, learned.origins, bench.grid)
        found = values.order(np.where(known == 0, np.nan, known < 0))
        leads = [int(row) for row in found.rows if found.leaders[row] == row and known[row] == 0]
        if not leads:
            break
        # A truthful reviewer opens the images that are said to look alike.
        same = [row for row in found.find_followers(leads[0]) if draw.dirty[row] == draw.dirty[leads[0]]]
        known = _answer(draw, np.array([leads[0], *same]), known)
    return known


def _answer(draw: Draw, rows: NDArray[np.int64], known: NDArray[np.int8]) -> NDArray[np.int8]:
    known = known.copy()
    known[rows] = np.where(draw.dirty[rows], -1, 1)
    return known


def _overrule(kept: NDArray[np.bool_], known: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Keep all of the good images and nothing of the defective ones."""
    chosen: NDArray[np.bool_] = kept.copy()
    chosen[known > 0], chosen[known < 0] = True, False
    return chosen


def _describe(
    bench: Bench, draw: Draw, learned: MemoryBank, order: str, looks: int, known: NDArray[np.int8]
) -> Row:
    scores, bad = bench.score(learned), bench.category.bad
    unseen = bad & ~np.isin(np.arange(len(bad)), draw.rows)
    return {
        "data": bench.category.name,
        "side": bench.side,
        "draw": draw.seed,
        "order": order,
        "looks": looks,
        "overlap": auroc(scores[~bad], scores[bad]),
        "no_overlap": auroc(scores[~bad], scores[unseen]),
        "found": int((known < 0).sum()),
        "defective": int(draw.dirty.sum()),
    }
