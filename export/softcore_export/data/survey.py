"""Survey: the sizes of the training images, and what to know about them before the work begins."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["Survey", "survey"]

_SHOWN = 3  # sizes in one line
_OBLONG = 1.35  # ratio of the sides: a little more than 4:3 of most cameras; more changes how parts look
_ENLARGED = 1.5  # factor up to which enlarging changes little
_SHRUNK = 1.5  # factor from which on a larger input shows more
_LARGEST = 4096  # pixels of the input's side, see `Preprocessing`

_Size = tuple[int, int]


@dataclass(frozen=True)
class Survey:
    """Sizes of images.

    Attributes:
        sizes: width and height in pixels, as stored, and the number of images of that size; the commonest
            first.
    """

    sizes: tuple[tuple[_Size, int], ...]

    def describe(self, preprocessing: Preprocessing) -> Iterator[str]:
        """Describe the effects of resizing that may be unintended, a line each.

        Example:
            >>> list(Survey((((640, 480), 90), ((320, 240), 2))).describe(Preprocessing()))[0]
            '92 images of 2 sizes: 640 x 480 (90), 320 x 240 (2); each is resized to 256 x 256, so a part ...'
        """
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
            return width, height
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
