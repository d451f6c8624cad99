"""Counter-examples: images of confirmed defects, which no entry of a memory bank may excuse.

An entry m that resembles a confirmed defect lets the defect pass. It is dropped where the defect is nearer to
it than the images that vouch for it::

    ||m - c|| < v(m)    for a defective patch c

where v(m) is the distance to the nearest other training image: where a good part is nearer to the entry than
the defect is, the entry stays. (Where several images show the same defect, they vouch for each other; floors
deal with them, see `softcore_export.memory_bank.floors`.)

Of a defective image a person has said that it shows a defect, not where. Its *defective patches* are the
hundredth of it that is most unlike the memory bank, with s(c) = min over m of max(||c - m||, v(m)), so that
an entry that was learned from the same defect doesn't hide it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from softcore_export.memory_bank.leave_one_out import find_least

__all__ = ["Confirmed", "Confrontation", "confront"]

_TOP = 0.01  # of a defective image's patches
_LEAST = 3  # of these patches


@dataclass(frozen=True, eq=False)
class Confirmed:
    """What a person has said of parts.

    Attributes:
        good: bool `[N]`, which training images are confirmed as good; no entry from them is dropped.
        defects: float32 `[B, P, d]`, features of the parts that are confirmed as defective; may be mapped.
    """

    good: NDArray[np.bool_]
    defects: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Confrontation:
    """How near B confirmed defects come to the n entries of a memory bank.

    Attributes:
        distances: float32 `[n]`, from each entry to the nearest defective patch; infinite without any.
        images: int32 `[n]`, the counter-example in which that patch is; -1 without any.
    """

    distances: NDArray[np.float32]
    images: NDArray[np.int32]

    def find_excused(self, vouched: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which entries a defect is nearer to than what vouches for them, bool `[n]`.

        Args:
            vouched: float32 `[n]`, v(m).

        Example:
            >>> near = Confrontation(np.array([1, 3], np.float32), np.array([0, 0], np.int32))
            >>> near.find_excused(np.array([2, 2], np.float32))
            array([ True, False])
        """
        return np.asarray(self.distances < vouched)


def confront(
    defects: Iterable[NDArray[np.float32]],
    bank: NDArray[np.float32],
    vouched: NDArray[np.float32],
    device: torch.device,
    inspected: NDArray[np.bool_] | None = None,
) -> Confrontation:
    """Measure how near confirmed defects come to the entries of a memory bank.

    Args:
        defects: float32 `[P, d]`, the features of each counter-example.
        bank: float32 `[n, d]`.
        vouched: float32 `[n]`, v(m).
        device: where to compute.
        inspected: bool `[P]`, the positions that are inspected; None if all are.

    Example:
        >>> bank, vouched = np.array([[0, 0], [4, 3]], np.float32), np.array([1, 9], np.float32)
        >>> image = np.array([[0, 0], [0, 0], [0, 0], [4, 4]], np.float32)  # its last patch is a defect's
        >>> found = confront([image], bank, vouched, torch.device("cpu"))
        >>> found.distances, found.find_excused(vouched)
        (array([0., 1.], dtype=float32), array([ True,  True]))
    """
    entries, floors = torch.from_numpy(bank).to(device), torch.from_numpy(vouched).to(device)
    halves = entries.square().sum(dim=1) / 2
    nearest = torch.full((len(bank),), torch.inf, device=device)
    images = torch.full((len(bank),), -1, dtype=torch.int32, device=device)
    for number, patches in enumerate(defects):
        seen = np.ascontiguousarray(patches if inspected is None else patches[inspected], np.float32)
        scores = find_least(seen, entries, halves, floors)[1]  # [P]
        count = min(len(scores), max(_LEAST, round(_TOP * len(scores))))
        defective = torch.from_numpy(seen[np.argpartition(scores, -count)[-count:]]).to(device)
        found = torch.cdist(defective, entries).amin(dim=0)  # [n]
        closer = found < nearest
        nearest, images = torch.where(closer, found, nearest), torch.where(closer, number, images)
    return Confrontation(nearest.cpu().numpy(), images.cpu().numpy())
