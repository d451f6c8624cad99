"""Active manifest: the manifest in use, with what follows from its threshold, replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.engine import Backbone, compute_alike, describe_backbone
from softcore_runtime.bundle.bundle import Bundle
from softcore_runtime.bundle.image_files import read_mask
from softcore_runtime.bundle.manifest import Manifest, seal_of
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import UsageError
from softcore_runtime.images.mask import check_mask, find_ignored
from softcore_runtime.inspection.replacements import find_replacements

__all__ = ["ActiveManifest", "check_override", "explain_difference"]


@dataclass(frozen=True, eq=False)
class ActiveManifest:
    """A manifest, its seal, and the mask of its threshold on the feature grid.

    Attributes:
        manifest: the manifest.
        seal: its seal, SHA-256 in hex.
        ignored: int64 `[i]`, the positions of the grid that the mask leaves out; None without a mask.
        replacements: float32 `[i, d]`, an entry of the memory bank for each of these. Its score is 0, or with
            floors the least of all floors: no patch has a lower score, so it never is the highest alone.
    """

    manifest: Manifest
    seal: str
    ignored: NDArray[np.int64] | None = None
    replacements: NDArray[np.float32] | None = None

    @classmethod
    def read(cls, bundle: Bundle, manifest: Manifest) -> ActiveManifest:
        """Prepare a manifest of a bundle for use, with the mask of its threshold from the bundle's folder.

        Raises:
            BundleCorruptError: the mask is missing, or was changed.
            UsageError: it leaves nothing to inspect.
        """
        return cls.prepare(bundle, manifest, read_mask(bundle.path, manifest))

    @classmethod
    def prepare(cls, bundle: Bundle, manifest: Manifest, mask: NDArray[np.uint8] | None) -> ActiveManifest:
        """Prepare a manifest of a bundle for use.

        Args:
            bundle: the bundle.
            manifest: the bundle's, or one with another threshold.
            mask: uint8 BGR `[h, w, 3]`, white where nothing is inspected; None inspects all.
        """
        if mask is None:
            return cls(manifest, seal_of(manifest))
        grid = (manifest.grid.height, manifest.grid.width)
        masked = find_ignored(mask, manifest.preprocessing, grid)
        outside = manifest.preprocessing.find_outside(grid)
        if outside is not None:  # such patches repeat others, which may be masked
            masked |= outside.ravel()
        ignored = np.flatnonzero(masked)
        return cls(manifest, seal_of(manifest), ignored, find_replacements(bundle, ignored))

    def apply_mask(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Replace the patches that the mask leaves out, in place.

        Args:
            patches: float32 `[B, P, d]`.

        Returns:
            the same array.
        """
        if self.ignored is not None:
            patches[:, self.ignored] = self.replacements
        return patches


def check_override(manifest: Manifest, threshold: Threshold, mask: NDArray[np.uint8] | None) -> None:
    """Check a threshold and a mask that are to be used instead of the bundle's.

    Raises:
        UsageError: the mask leaves nothing to inspect or nothing out, or `min_area` is more than the whole
            anomaly map.
    """
    height, width = manifest.preprocessing.canvas
    if threshold.min_area is not None and threshold.min_area > height * width:
        raise UsageError(
            f"an area of {threshold.min_area:,} pixels is more than the anomaly map's {width} x {height}"
        )
    if mask is not None:
        check_mask(mask, manifest.preprocessing, (manifest.grid.height, manifest.grid.width))


def explain_difference(manifest: Manifest, backbone: Backbone) -> str | None:
    """Explain how this machine computes differently than the threshold's calibration; None if it doesn't.

    Args:
        manifest: with the threshold in use.
        backbone: what computes here.
    """
    calibration = manifest.threshold.calibration
    learned = calibration or manifest.backbone
    if compute_alike(learned, backbone):
        return None
    what = "threshold was calibrated" if calibration else "bundle was learned"
    then, now = describe_backbone(learned), describe_backbone(backbone)
    return f"the {what} with {then}, here it runs with {now}: calibrate its threshold on this machine"
