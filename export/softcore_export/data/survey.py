"""Survey: the sizes of the training images, and what to know about them before the work begins."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.images.windows import Size, Windows

from softcore_export.windows.window_choice import keeps_aspect
from softcore_export.windows.window_request import WindowRequest

__all__ = ["Survey", "survey"]

_SHOWN = 3  # sizes in one line
_OBLONG = 1.35  # ratio of the sides: a little more than 4:3 of most cameras; more changes how parts look
_ENLARGED = 1.5  # factor up to which enlarging changes little
_SHRUNK = 1.5  # factor from which on a larger input shows more
_LARGEST = 4096  # pixels of the input's side, see `Preprocessing`
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274  # tags of TIFF, the last of EXIF, too
_TURNED = 5  # from this orientation on width and height are exchanged

_Size = tuple[int, int]


@dataclass(frozen=True)
class Survey:
    """Sizes of images.

    Attributes:
        sizes: width and height in pixels, of the upright image, and the number of images of that size; the
            commonest first.
    """

    sizes: tuple[tuple[_Size, int], ...]

    @property
    def different(self) -> list[Size]:
        """The different sizes, the commonest first."""
        return [Size(width=width, height=height) for (width, height), _ in self.sizes]

    def describe(self, preprocessing: Preprocessing, request: WindowRequest) -> Iterator[str]:
        """Describe the effects of resizing that may be unintended, a line each.

        Args:
            preprocessing: how images are resized where one square is inspected.
            request: which windows are asked for.

        Raises:
            UsageError: the region that is asked for leaves the images.

        Example:
            >>> sizes = Survey((((640, 480), 90), ((320, 240), 2)))
            >>> list(sizes.describe(Preprocessing(), WindowRequest(keep_aspect=False)))[0]
            '92 images of 2 sizes: 640 x 480 (90), 320 x 240 (2); each is resized to 256 x 256, so a part ...'
        """
        if self.sizes and keeps_aspect(request, self.different):
            yield from self._describe_windows()
            return
        side = f"{preprocessing.resize} x {preprocessing.resize}"
        count = sum(n for _, n in self.sizes)
        if len(self.sizes) > 1:
            yield (
                f"{count:,} images of {len(self.sizes):,} sizes: {self._list(self.sizes)}; each is resized "
                f"to {side}, so a part may look different in each"
            )
        oblong = [(size, n) for size, n in self.sizes if max(size) > _OBLONG * min(size)]
        if oblong:
            yield (
                f"{_count(oblong, count)} far from square: {self._list(oblong)}; they are squeezed to "
                f"{side}, {_describe_squeeze(oblong[0][0], preprocessing)}"
            )
        small = [(size, n) for size, n in self.sizes if _ENLARGED * max(size) < preprocessing.resize]
        if small:
            times = preprocessing.resize / max(small[0][0])
            yield (
                f"{_count(small, count)} smaller than the network's input: {self._list(small)}; they are "
                f"enlarged {times:.1f} times to {side}, which shows no finer defects"
            )

    def _describe_windows(self) -> Iterator[str]:
        count = sum(n for _, n in self.sizes)
        like = Windows(frame=self.different[0])
        others = [(size, n) for size, n in self.sizes if not like.fits(size[1], size[0])]
        if others:
            yield (
                f"{_count(others, count)} of another shape than {like.frame}: {self._list(others)}; the "
                "windows don't fit them, and they are left out"
            )
        elif len(self.sizes) > 1:
            yield (
                f"{count:,} images of {len(self.sizes):,} sizes: {self._list(self.sizes)}; each is brought "
                "to one size, so a part may look different in each"
            )

    @staticmethod
    def _list(sizes: Sequence[tuple[_Size, int]]) -> str:
        named = ", ".join(f"{width} x {height} ({n:,})" for (width, height), n in sizes[:_SHOWN])
        others = len(sizes) - _SHOWN
        if others <= 0:
            return named
        return f"{named} and {others:,} other size{'' if others == 1 else 's'}"


def survey(paths: Sequence[Path]) -> Survey:
    """Read the sizes of images from their files' headers; files that can't be read are left out.

    Args:
        paths: image files.

    Example:
        >>> survey([])
        Survey(sizes=())
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about very large images
        sizes = Counter(size for path in paths if (size := _read_size(path)))
    return Survey(tuple(sizes.most_common()))


def _read_size(path: Path) -> _Size | None:
    try:
        with Image.open(path) as image:
            width, height = image.size
            if image.format == "PNG" and "exif" not in image.info:  # Pillow would decode it to look behind
                return width, height
            if isinstance(image, TiffImageFile):  # of which newer versions of Pillow give the upright size
                width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
            turned = image.getexif().get(_ORIENTATION, 1) >= _TURNED
            return (height, width) if turned else (width, height)
    except Exception:  # Pillow's readers raise many kinds for a damaged header
        return None


def _count(sizes: Sequence[tuple[_Size, int]], count: int) -> str:
    n = sum(some for _, some in sizes)
    if n == count:
        return f"all {count:,} images are"
    return f"{n:,} of {count:,} images {'is' if n == 1 else 'are'}"


def _describe_squeeze(size: _Size, preprocessing: Preprocessing) -> str:
    """Describe how much more one side is squeezed, and the options that show finer defects, if any."""
    longer, shorter = ("width", "height") if size[0] > size[1] else ("height", "width")
    told = f"the {longer} {max(size) / min(size):.1f} times as much as the {shorter}"
    resize, crop = 2 * preprocessing.resize, 2 * preprocessing.crop
    if max(size) >= _SHRUNK * preprocessing.resize and resize <= _LARGEST:
        told += f"; --resize {resize} --crop {crop} shows finer defects along it, in 4 times the time"
    return told
