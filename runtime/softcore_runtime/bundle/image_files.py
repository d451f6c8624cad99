"""Image files: a bundle's mask, and the reference that frames are aligned with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.bundle.files import verify_file
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.errors import BundleCorruptError, ImageError
from softcore_runtime.images.image_file import read_image

__all__ = ["REFERENCE", "read_mask", "read_reference", "write_reference"]

REFERENCE = "reference.png"


def read_mask(path: Path, manifest: Manifest) -> NDArray[np.uint8] | None:
    """Read the mask of a bundle's threshold.

    Args:
        path: the bundle's folder.
        manifest: the bundle's.

    Returns:
        uint8 BGR `[h, w, 3]`, white where nothing is inspected; None if the threshold has no mask.

    Raises:
        BundleCorruptError: it is missing or was changed, or is no image.
    """
    name = manifest.threshold.mask
    return None if name is None else _read_image(path, name, manifest)


def read_reference(path: Path, manifest: Manifest) -> NDArray[np.uint8] | None:
    """Read the reference that a bundle's frames are aligned with.

    Args:
        path: the bundle's folder.
        manifest: the bundle's.

    Returns:
        uint8 BGR `[h, w, 3]`; None if frames aren't aligned.

    Raises:
        BundleCorruptError: it is missing or was changed, or is no image.

    Example:
        >>> read_reference(path, inspector.manifest) is None
        True
    """
    return _read_image(path, REFERENCE, manifest) if manifest.alignment else None


def _read_image(path: Path, name: str, manifest: Manifest) -> NDArray[np.uint8]:
    verify_file(path, name, manifest.files[name])
    try:
        return read_image(path / name)
    except ImageError as error:
        raise BundleCorruptError(str(error)) from error


def write_reference(path: Path, reference: NDArray[np.uint8]) -> None:
    """Write `reference.png`, uint8 BGR `[h, w, 3]`."""
    (path / REFERENCE).write_bytes(cv2.imencode(".png", reference)[1].tobytes())
