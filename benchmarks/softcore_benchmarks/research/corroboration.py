"""Corroboration in the sandbox: floors of its entries, and what they do to leave-one-image-out scores.

Of each entry the distances to its nearest other images are known, in the order in which images may vouch. A
rule makes one floor of them. As in an export the floors' factor is chosen by the scores of training images,
each without its own entries and without its word for others (`softcore_export.memory_bank.floors`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_export.memory_bank.floors import FACTORS, SCORED, Corroboration, choose_factor

from softcore_benchmarks.research.sandbox import Sandbox

__all__ = [
    "Vouchers",
    "choose_sandbox_factor",
    "find_core",
    "list_vouchers",
    "nearest_voucher",
    "score_left_out",
    "several_vouchers",
]

_ROUNDS = 10  # of looking for the core; two or three are seldom exceeded

Rule = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Vouchers:
    """The images that vouch for each of n entries, the first ones first.

    Attributes:
        distances: float32 `[n, m]`.
        images: int32 `[n, m]`; -1 where no image vouches.
        rule: makes floors `[k]` of distances `[k, m]`.
    """

    distances: NDArray[np.float32]
    images: NDArray[np.int32]
    rule: Rule

    def floors(self, entries: NDArray[np.int64], without: int | None = None) -> NDArray[np.float32]:
        """Return the floors of `entries` `[k]`, as if the image `without` weren't a training image."""
        distances = self.distances[entries]
        if without is not None:
            gone = self.images[entries] == without
            rows = np.flatnonzero(gone.any(axis=1))
            order = np.argsort(gone[rows], axis=1, kind="stable")
            last = distances[rows, -1]
            distances[rows] = np.take_along_axis(distances[rows], order, axis=1)
            distances[rows, -1] = last
        return self.rule(distances)


def nearest_voucher(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distance to the first voucher: the default's rule."""
    return distances[:, 0]


def list_vouchers(box: Sandbox, trusted: NDArray[np.bool_], rule: Rule = nearest_voucher) -> Vouchers:
    """List the vouchers of a sandbox's entries.

    Args:
        box: the sandbox.
        trusted: which images vouch, bool `[N]`; where none of the known ones does, the farthest counts.
        rule: see `Vouchers`.
    """
    compared = box.compare()
    known = compared.nearest_distances.shape[2]
    distances = compared.nearest_distances.reshape(-1, known)[box.entries]
    images = compared.nearest_images.reshape(-1, known)[box.entries]
    vouches = trusted[images]
    order = np.argsort(~vouches, axis=1, kind="stable")
    filled = np.arange(known) < vouches.sum(axis=1)[:, None]
    farthest = distances[:, -1:]
    return Vouchers(
        np.where(filled, np.take_along_axis(distances, order, axis=1), farthest),
        np.where(filled, np.take_along_axis(images, order, axis=1), np.int32(-1)),
        rule,
    )


def several_vouchers(evidence: float) -> Rule:
    """Return the default's rule where there is evidence of contamination: near^(1 - e) third^e."""

    def measure(distances: NDArray[np.float32]) -> NDArray[np.float32]:
        images = np.broadcast_to(np.arange(distances.shape[1], dtype=np.int32), distances.shape)
        return Corroboration(distances, images).measure(evidence=evidence)

    return measure


def choose_sandbox_factor(
    box: Sandbox, vouchers: Vouchers, kept: NDArray[np.bool_], evidence: float = 0.0
) -> float:
    """Choose lambda as an export does, from the entries that are `kept`, bool `[N, P]`."""
    return choose_factor(score_left_out(box, vouchers, kept), evidence)


def score_left_out(box: Sandbox, vouchers: Vouchers, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Score training images by each of `FACTORS`, leave-one-image-out: float64 `[len(FACTORS), S]`."""
    distances, entries = box.left_out_lists
    stays = kept.reshape(-1)[box.entries]
    images = np.random.default_rng(0).permutation(len(distances))[:SCORED]
    scores = np.empty((len(FACTORS), len(images)))
    for column, image in enumerate(images.tolist()):
        own, place = np.unique(entries[image], return_inverse=True)
        floors = vouchers.floors(own, image)[place].reshape(entries[image].shape)
        floors = np.where(stays[entries[image]], floors, np.float32(np.inf))
        beyond = box.beyond(distances[image])
        for row, factor in enumerate(FACTORS):
            # An infinite floor stays infinite: the entry was left out.
            reached = np.where(np.isinf(floors), floors, np.float32(factor) * np.minimum(floors, 1e30))
            patches = np.minimum(np.maximum(distances[image], reached).min(axis=1), beyond)
            scores[row, column] = patches.max()
    return scores


def find_core(box: Sandbox, share: float) -> NDArray[np.bool_]:
    """Find the images that vouch best for each other, bool `[N]`.

    As the concentration steps of least trimmed squares do: measure each image by its distances to the core,
    take the `share` of images with the shortest, and repeat.
    """
    compared = box.compare()
    core = np.ones(len(box.features), np.bool_)
    top = max(3, round(0.005 * box.features.shape[1]))
    for _ in range(_ROUNDS):
        inside = core[compared.nearest_images]
        first = np.where(inside.any(axis=2), inside.argmax(axis=2), inside.shape[2] - 1)
        lengths = np.take_along_axis(compared.nearest_distances, first[:, :, None], axis=2)[:, :, 0]
        of_images = np.partition(lengths, -top, axis=1)[:, -top:].mean(axis=1)
        new = np.zeros_like(core)
        new[np.argsort(of_images, kind="stable")[: round(share * len(core))]] = True
        if (new == core).all():
            break
        core = new
    return core
