"""Leave-one-out: compares each training image with the memory bank without the image's own entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import track
from torch import Tensor

from softcore_export.mapped_pages import release_pages
from softcore_export.memory_bank.floors import FloorRule

__all__ = ["NearestEntries", "find_least", "leave_one_out", "score_left_out", "score_others"]

_BLOCK = 1 << 24  # numbers in one block of distances: 64 MB
_NEAREST = 16  # entries of a patch that are tried before all of them

_Found = tuple[NDArray[np.int64], NDArray[np.float32]]  # entries and distances, [P]


@dataclass(frozen=True, eq=False)
class NearestEntries:
    """The nearest entries of the patches of N images.

    Attributes:
        entries: int32 `[N, P]`, the nearest entry that comes from another image; -1 where all entries come
            from this one.
        distances: float32 `[N, P]`, Euclidean; with floors the greater of the distance and the entry's floor;
            0 where there is no such entry.
    """

    entries: NDArray[np.int32]
    distances: NDArray[np.float32]

    def scores(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score the images, float64 `[N]`: max over patches of w(m*) ||p - m*||."""
        patches = weights.astype(np.float64)[self.entries] * self.distances
        return np.asarray(patches.max(axis=1))


def leave_one_out(
    features: NDArray[np.float32],
    bank: NDArray[np.float32],
    owners: NDArray[np.int32],
    device: torch.device,
    rule: FloorRule | None = None,
    images: NDArray[np.int64] | None = None,
) -> NearestEntries:
    """Find each training patch's nearest entry among those of other images.

    With floors the nearest entry is that of the least max(||p - m||, F(m)). The image's near copies are left
    out together with it, and neither it nor they vouch for an entry.

    Args:
        features: float32 `[N, P, d]`.
        bank: float32 `[n, d]`.
        owners: int32 `[n]`, the training image of each entry.
        device: where to compute.
        rule: of the floors; None without floors.
        images: int64 `[N]`, which training images these are; None if they are all.
    """
    entries = torch.from_numpy(bank).to(device)
    halves = entries.square().sum(dim=1) / 2
    nearest = np.full(features.shape[:2], -1, np.int32)
    distances = np.zeros(features.shape[:2], np.float32)
    if images is None:
        images = np.arange(len(features))
    for i in track(range(len(features)), "leave-one-out scores"):
        own = _find_own(images[i], owners, rule)
        if own.all():
            continue  # no other image is in the bank; this one says nothing about a threshold
        left = halves.where(torch.from_numpy(~own).to(device), torch.inf)
        if rule:
            floors = torch.from_numpy(rule.compute(int(rule.groups[images[i]]))).to(device)
            nearest[i], distances[i] = find_least(features[i], entries, left, floors)
        else:
            nearest[i], distances[i] = _nearest(features[i], entries, left)
        release_pages(features)
    return NearestEntries(nearest, distances)


def score_left_out(
    features: NDArray[np.float32],
    bank: NDArray[np.float32],
    owners: NDArray[np.int32],
    rules: Sequence[FloorRule],
    device: torch.device,
    images: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Score training images by each of several rules, leave-one-image-out: float64 `[rules, S]`.

    The distances are computed once for all rules; see `leave_one_out`, whose scores these are.

    Args:
        features: float32 `[N, P, d]`, of all training images.
        bank: float32 `[n, d]`.
        owners: int32 `[n]`, the training image of each entry.
        rules: of the floors.
        device: where to compute.
        images: int64 `[S]`, which of the training images are scored.
    """
    entries = torch.from_numpy(bank).to(device)
    halves = entries.square().sum(dim=1) / 2
    scores = np.zeros((len(rules), len(images)))
    for column, i in enumerate(track(images.tolist(), "floors' factor")):
        own = _find_own(i, owners, rules[0])
        if not own.all():
            left = halves.where(torch.from_numpy(~own).to(device), torch.inf)
            floors = [torch.from_numpy(rule.compute(int(rule.groups[i]))).to(device) for rule in rules]
            scores[:, column] = _find_highest(features[i], entries, left, floors)
            release_pages(features)
    return scores


def score_others(
    features: Iterable[NDArray[np.float32]],
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    device: torch.device,
    floors: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Score L images that aren't in the bank, features float32 `[P, d]` each: float64 `[L]`.

    Args:
        features: of the images.
        bank: float32 `[n, d]`.
        weights: float32 `[n]`.
        device: where to compute.
        floors: float32 `[n]`; None without floors.
    """
    entries = torch.from_numpy(bank).to(device)
    halves = entries.square().sum(dim=1) / 2
    if floors is not None:
        least = torch.from_numpy(floors).to(device)
        found = (find_least(patches, entries, halves, least) for patches in features)
    else:
        found = (_nearest(patches, entries, halves) for patches in features)
    return np.array([(weights[e].astype(np.float64) * d).max() for e, d in found])


def find_least(patches: NDArray[np.float32], entries: Tensor, halves: Tensor, floors: Tensor) -> _Found:
    """Find the entry of the least max(||p - m||, F(m)) for each patch, and that value: `[P]` each.

    Some patches are compared at a time, so that memory stays bounded.

    Args:
        patches: float32 `[P, d]`.
        entries: `[n, d]`.
        halves: `[n]`, ||m||^2 / 2; infinite for an entry that is left out.
        floors: `[n]`, F(m).

    Example:
        >>> entries, floors = torch.tensor([[0.0, 0.0], [4.0, 3.0]]), torch.tensor([2.0, 0.0])
        >>> patches = np.array([[0, 1], [4, 4]], np.float32)
        >>> find_least(patches, entries, entries.square().sum(dim=1) / 2, floors)
        (array([0, 1]), array([2., 1.], dtype=float32))
    """
    squares = floors.square() / 2
    parts = []
    for x, apart in _measure_blocks(patches, entries, halves):
        where = torch.maximum(apart, squares).argmin(dim=1)
        distances = (x - entries[where]).square().sum(dim=1).sqrt()
        parts.append((where, torch.maximum(distances, floors[where])))
    nearest, least = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return nearest, least


def _find_own(image: int, owners: NDArray[np.int32], rule: FloorRule | None) -> NDArray[np.bool_]:
    """Find the entries that are left out together with an image, bool `[n]`."""
    if rule:
        return np.asarray(rule.groups[owners] == rule.groups[image])
    return np.asarray(owners == image)


def _nearest(patches: NDArray[np.float32], entries: Tensor, halves: Tensor) -> _Found:
    """Find the nearest of `entries` `[n, d]` to each patch, and its distance; `halves` is ||m||^2 / 2."""
    x = torch.from_numpy(np.array(patches)).to(entries.device)
    where = torch.addmm(halves, x, entries.T, alpha=-1).argmin(dim=1)  # [P]
    distances = (x - entries[where]).square().sum(dim=1).sqrt()
    return where.cpu().numpy(), distances.cpu().numpy()


def _measure_blocks(
    patches: NDArray[np.float32], entries: Tensor, halves: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield some patches `[p, d]` at a time, and half their squared distances to all entries `[p, n]`.

    Args:
        patches: float32 `[P, d]`.
        entries: `[n, d]`.
        halves: `[n]`, ||m||^2 / 2; infinite for an entry that is left out.
    """
    step = max(1, _BLOCK // len(entries))
    for start in range(0, len(patches), step):
        x = torch.from_numpy(np.array(patches[start : start + step])).to(entries.device)
        apart = torch.addmm(halves, x, entries.T, alpha=-1)
        apart += x.square().sum(dim=1, keepdim=True) / 2
        yield x, apart


def _find_highest(
    patches: NDArray[np.float32], entries: Tensor, halves: Tensor, floors: Sequence[Tensor]
) -> list[float]:
    """Find the highest value of all patches that `find_least` gives, for each of several `floors` `[n]`.

    For most patches a few near entries tell enough: their least value is the patch's own, as no other entry
    is nearer, or it is below the highest. The rest is compared with all entries.
    """
    squares = [floor.square() / 2 for floor in floors]
    highest, scores = [-np.inf] * len(floors), [0.0] * len(floors)
    for x, apart in _measure_blocks(patches, entries, halves):
        near, where = apart.topk(min(_NEAREST, len(entries)), dim=1, largest=False)  # [p, k]
        beyond = near[:, -1]  # no other entry is nearer than that
        for rule, (floor, square) in enumerate(zip(floors, squares, strict=True)):
            values, place = torch.maximum(near, square[where]).min(dim=1)  # no less than those of all entries
            found = where.gather(1, place[:, None])[:, 0]
            certain = max(float(torch.minimum(values, beyond).max()), highest[rule])
            rest = torch.nonzero((values > beyond) & (values > certain))[:, 0]
            if len(rest):
                values[rest], found[rest] = torch.maximum(apart[rest], square).min(dim=1)
            if float(values.max()) > highest[rule]:
                patch = values.argmax()
                entry = found[patch]
                distance = (x[patch] - entries[entry]).square().sum().sqrt()
                highest[rule], scores[rule] = (
                    float(values[patch]),
                    float(torch.maximum(distance, floor[entry])),
                )
    return scores
