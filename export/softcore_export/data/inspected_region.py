"""Inspected region: the outline of what is inspected, from an image, polygons or the training images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.alignment.aligned_preprocessing import align_frame
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import FrameError, ImageError, UsageError
from softcore_runtime.images.image_file import read_image
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.images.windows import Outline

from softcore_export.data.survey import survey
from softcore_export.windows.drawn_region import DrawnRegion
from softcore_export.windows.foreground import find_foreground
from softcore_export.windows.outline import trace_outline
from softcore_export.windows.window_request import WindowRequest

__all__ = ["find_outline"]

_SAMPLE = 200  # images that are looked at
_WHITE = 128


def find_outline(request: WindowRequest, paths: Sequence[Path], preprocessing: Preprocessing) -> Outline:
    """Find the outline that is asked for, and print what was found where the images or polygons decide.

    Args:
        request: which region is asked for.
        paths: the training images.
        preprocessing: that reads them.

    Returns:
        its polygons; none where all of the frame, or a rectangle, is inspected.

    Raises:
        UsageError: the image of the region can't be read, or has no white, or is all white.
    """
    if request.roi_image is not None:
        return _read_outline(request.roi_image)
    if request.roi is None and request.drawn:
        return _trace_drawn(request.drawn, paths)
    if request.roi != "auto":
        return ()
    rows = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _SAMPLE)).round().astype(int))
    found = find_foreground(_read([paths[row] for row in rows], preprocessing))
    if found.reason:
        print_message(f"--roi auto: the whole frame is inspected, because {found.reason}")
    else:
        print_message(
            f"--roi auto: the parts and a margin around all of them take up {100 * found.share:.0f} % of the "
            "frame, and the rest isn't inspected"
        )
    return found.outline


def _read_outline(path: Path) -> Outline:
    try:
        image = read_image(path)
    except (FrameError, ImageError) as error:
        raise UsageError(f"--roi-image {path}: can't be read ({error})") from error
    white = image.max(axis=2) >= _WHITE
    if white.all():
        raise UsageError(
            f"--roi-image {path}: is white throughout; white is what is inspected, black is left out"
        )
    outline = trace_outline(white)
    if not outline:
        raise UsageError(f"--roi-image {path}: has no white; white is what is inspected, black is left out")
    return outline


def _trace_drawn(drawn: DrawnRegion, paths: Sequence[Path]) -> Outline:
    """Trace the mask of polygons, at the commonest size of the images, as `--roi-image` would have it."""
    sizes = survey(paths).different
    if not sizes:  # the scan explains what is wrong with the images
        return ()
    white = drawn.rasterize(sizes[0])
    print_message(
        f"region drawn in the review: {100 * white.mean():.0f} % of the frame, and the rest isn't inspected"
    )
    return () if white.all() else trace_outline(white)


def _read(paths: Sequence[Path], preprocessing: Preprocessing) -> Iterator[NDArray[np.uint8]]:
    for path in paths:
        with suppress(FrameError, ImageError):  # the scan reports it
            yield align_frame(preprocessing, preprocessing.read(path))
