"""Window choice: places the windows for images of a size, as they were asked for."""

from __future__ import annotations

from collections.abc import Sequence

from softcore_runtime.errors import UsageError
from softcore_runtime.images.windows import (
    MOST_WINDOWS,
    Outline,
    Region,
    Size,
    Windows,
    choose_steps,
)

from softcore_export.windows.outline import bound_outline
from softcore_export.windows.window_request import RequestedRegion, WindowRequest

__all__ = ["OBLONG", "choose_windows", "keeps_aspect"]

OBLONG = 1.3  # ratio of the sides beyond which squeezing to a square changes too much: below that of 4:3


def keeps_aspect(request: WindowRequest, sizes: Sequence[Size], outline: Outline = ()) -> bool:
    """Return whether the images are shown in windows that keep their aspect.

    Args:
        request: what is asked for.
        sizes: the different sizes of the images, the commonest first, at least one.
        outline: polygons around what is inspected; none where it is a rectangle.

    Raises:
        UsageError: the region leaves the commonest frame.

    Example:
        >>> keeps_aspect(WindowRequest(), [Size(width=800, height=100), Size(width=400, height=50)])
        True
        >>> keeps_aspect(WindowRequest(), [Size(width=800, height=100), Size(width=100, height=800)])
        False
        >>> keeps_aspect(WindowRequest(), [Size(width=640, height=640)])
        False
    """
    if request.tile is not None:
        return True
    if request.keep_aspect != "auto":
        return request.keep_aspect
    width, height = _measure_region(_place(request, sizes[0], outline), sizes[0])
    if max(width, height) <= OBLONG * min(width, height):
        return False
    like = Windows(frame=sizes[0])
    return all(like.fits(size.height, size.width) for size in sizes)


def choose_windows(
    request: WindowRequest, sizes: Sequence[Size], crop: int, patches: int, outline: Outline = ()
) -> Windows | None:
    """Place windows on the images.

    Args:
        request: what is asked for.
        sizes: as for `keeps_aspect`.
        crop: side of the network's input, in pixels.
        patches: rows, and columns, of the grid that the network gives for it.
        outline: as for `keeps_aspect`.

    Returns:
        the windows; None for the whole frame in one square.

    Raises:
        UsageError: the request can't be met with these images, or this network.

    Example:
        >>> windows = choose_windows(WindowRequest(tile=500), [Size(width=4000, height=3000)], 224, 28)
        >>> windows.rows, windows.columns, windows.canvas(224)
        (7, 10, (1328, 1808))
    """
    frame = sizes[0]
    region = _place(request, frame, outline)
    keep = keeps_aspect(request, sizes, outline)
    if not keep and region == Region() and not outline:
        return None
    if not keep:
        return _check_outline(Windows(frame=frame, region=region, outline=outline), crop, patches)
    if crop % patches:
        raise UsageError(
            f"--crop {crop}: several windows need a multiple of the network's {patches} patches along a side"
        )
    stride = crop // patches
    width, height = _measure_region(region, frame)
    shorter = min(width, height)
    if request.tile is not None and request.tile > shorter:
        what = "images" if region == Region() else "region"
        raise UsageError(f"--tile {request.tile}: is more than the shorter side of the {what}, {shorter:g}")
    scale = crop / (request.tile or shorter)
    overlap = round(request.overlap / 100 * crop)
    columns, across = choose_steps(width * scale, crop, overlap, stride)
    rows, down = choose_steps(height * scale, crop, overlap, stride)
    if rows * columns > MOST_WINDOWS:
        raise UsageError(
            f"{'--tile' if request.tile else '--keep-aspect'}: {rows * columns:,} windows of a frame of "
            f"{frame} are more than {MOST_WINDOWS:,}"
        )
    placed = Windows(
        frame=frame,
        region=region,
        rows=rows,
        columns=columns,
        down=down,
        across=across,
        outline=outline,
    )
    return _check_outline(placed, crop, patches)


def _check_outline(windows: Windows, crop: int, patches: int) -> Windows:
    """Return the windows; an outline so thin that it holds no patch is refused."""
    try:
        windows.find_outside(crop, windows.grid(crop, patches))
    except ValueError as error:
        raise UsageError(
            f"the region is too thin: no patch of the network's grid lies in it ({error})"
        ) from error
    return windows


def _place(request: WindowRequest, frame: Size, outline: Outline) -> Region:
    if outline:
        return bound_outline(outline)
    if not isinstance(request.roi, RequestedRegion):
        return Region()
    try:
        return request.roi.place(frame)
    except ValueError as error:
        raise UsageError(f"--roi {request.roi}: {error}") from error


def _measure_region(region: Region, frame: Size) -> tuple[int, int]:
    """Return width and height of a region in pixels of the frame."""
    return region.place(frame.height, frame.width)[2:]
