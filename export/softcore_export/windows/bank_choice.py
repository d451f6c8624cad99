"""Bank choice: whether the memory bank has a part of its own for each window, or is shared among them.

A shared bank lets a patch be excused by what belongs in another window, such as the wrong component in a
place. A part for each window doesn't. But where all windows show the same texture it would learn that from
fewer patches, and what moves from one window into the next is unknown there. Windows differ where most
patches have their nearest neighbour in another image in their own window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

__all__ = ["OWN", "are_windows_unlike", "choose_distance"]

# Share of the patches with their nearest neighbour in their own window, from which on windows differ.
OWN = 0.8
_FAR = 2.0  # times the usual length of a feature: farther than any two patches of good parts
_PATCHES = 400  # of an image that are compared, with as many of each other image


def are_windows_unlike(features: NDArray[np.float32], seed: int) -> bool:
    """Return whether the windows show different things.

    Args:
        features: float32 `[S, count, p, d]`, of the windows of some images.
        seed: of the choice of patches.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> texture = rng.random((4, 3, 50, 8), np.float32)
        >>> are_windows_unlike(texture, seed=0)
        False
        >>> places = np.arange(3, dtype=np.float32)[:, None, None]
        >>> are_windows_unlike(texture + 3 * places, seed=0)
        True
    """
    images, count, patches, _ = features.shape
    rng = np.random.default_rng(seed)
    each = max(1, min(patches, _PATCHES // count))
    chosen = np.stack([rng.choice(patches, each, replace=False) for _ in range(count)])  # [count, each]
    some = np.take_along_axis(features, chosen[None, :, :, None], axis=2).reshape(images, count * each, -1)
    window = np.repeat(np.arange(count), each)
    own = []
    for image in range(images):
        others = np.delete(some, image, axis=0).reshape(-1, some.shape[2])
        nearest = cdist(some[image], others).argmin(axis=1)
        own.append((window[nearest % len(window)] == window).mean())
    return float(np.mean(own)) >= OWN


def choose_distance(features: NDArray[np.float32]) -> float:
    """Choose the distance between windows: beyond that of any two patches, by the features' usual length.

    Args:
        features: float32 `[..., d]`.
    """
    return round(_FAR * float(np.median(np.linalg.norm(features, axis=-1))), 2)
