"""TIFF: decodes an image of one page with OpenCV, and refuses what OpenCV would decode wrongly.

OpenCV passes 8 bits to libtiff, which supports every kind of colour. It reads 9 to 16 bits itself, always as
grey or interleaved RGB that is black at 0: other layouts are converted to that, or refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import ImageError
from softcore_runtime.images.bounds import check_size
from softcore_runtime.images.decoder import decode
from softcore_runtime.images.depth import FULL, stretch
from softcore_runtime.images.formats.orientation import apply_orientation
from softcore_runtime.images.formats.tiff_chunks import check_chunks, find_chunks
from softcore_runtime.images.formats.tiff_directory import Directory, read_directories

__all__ = ["decode_tiff"]

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_DESCRIPTION, _ORIENTATION, _SAMPLES = 270, 274, 277
_MIN_VALUE, _MAX_VALUE, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT = 280, 281, 284, 322, 323
_INKS, _EXTRA, _FORMAT, _SMIN, _SMAX = 332, 338, 339, 340, 341
_UNNEEDED = (_MIN_VALUE, _MAX_VALUE, _EXTRA, _SMIN, _SMAX)  # tags that a single channel doesn't need

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {
    _WHITE_IS_ZERO: 1,
    _BLACK_IS_ZERO: 1,
    _RGB: 3,
    _PALETTE: 1,
    _CMYK: 4,
    _YCBCR: 3,
}  # number of channels
_NAMED_COLOURS = {
    4: "a transparency mask",
    8: "CIELAB colours",
    9: "ICCLAB colours",
    10: "ITULAB colours",
    32803: "a sensor's raw mosaic",
    32844: "LogL luminances",
    32845: "LogLuv colours",
    34892: "a sensor's linear raw values",
}
_FAX = (2, 3, 4)  # of 1 bit; the decoded length isn't known
_COMPRESSIONS_READ = (1, *_FAX, 5, 7, 8, 32773, 32946)  # supported by every build of OpenCV's libtiff
_COMPRESSIONS = {  # not supported: most of these would be decoded as black
    6: "old-style JPEG",
    9: "JBIG",
    10: "JBIG",
    32809: "ThunderScan",
    34661: "JBIG",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_FORMATS = {
    2: "signed whole numbers",
    3: "floating-point numbers",
    5: "complex numbers",
    6: "complex numbers",
}
_UNASSOCIATED, _ASSOCIATED = 2, 1
_PLAIN, _SEPARATE = 1, 2
_REDUCED, _MASK = 1, 4  # bits of the type of a page
_DEEP = 16


@dataclass(frozen=True)
class _Tiff:
    """The one page of a file.

    Attributes:
        page: its tags.
        bits: bits of a sample.
        photometric: the meaning of its values.
        separate: whether each channel is stored separately.
        alpha: the kind of the channel after the colours; None if there is none.
        white: the value of white by the file's MaxSampleValue; None without it.
    """

    page: Directory
    bits: int
    photometric: int
    separate: bool
    alpha: int | None
    white: int | None


def decode_tiff(data: bytes, white: int = FULL) -> NDArray[np.generic]:
    """Decode a TIFF of one page to BGR or grey, uint8 or uint16, `[H, W, 3]` or `[H, W]`, upright.

    9 to 16 bits are returned as 16, with 65535 for white: if MaxSampleValue shows that fewer of 16 bits are
    used, they are stretched; otherwise `white` becomes 65535. An alpha channel is ignored, as in a PNG.

    Raises:
        ImageError: it is damaged, has several pages, or is of an unsupported kind.
        UsageError: as `check_size`.
    """
    tiff = _examine(data)
    page = tiff.page
    compression = page.integer(_COMPRESSION, 1)
    if compression not in _COMPRESSIONS_READ:
        name = _COMPRESSIONS.get(compression, f"kind {compression}")
        raise ImageError(f"a TIFF compressed as {name} can't be read; convert it to .png")
    if tiff.photometric != _YCBCR and compression not in _FAX:
        check_chunks(page, tiff.bits, compression)
    changed = {_ORIENTATION: (1,)}
    if tiff.alpha == _UNASSOCIATED and tiff.bits == 8:
        changed[_EXTRA] = (0,)  # or libtiff multiplies the colours by it
    if tiff.separate and tiff.bits > 8:
        image = _decode_channels(tiff)
    elif page.integer(_ORIENTATION, 1) == 1 and len(changed) == 1:
        image = decode(data)
    else:
        image = decode(page.rewrite(changed))
    if tiff.bits > 8:
        image = _scale_to_range(image, tiff, white)
    return apply_orientation(image, page.integer(_ORIENTATION, 1))


def _examine(data: bytes) -> _Tiff:
    """Return the one page, and refuse what would be decoded wrongly."""
    page = _find_page(data)
    _check_sizes(page)
    samples, photometric = page.integer(_SAMPLES, 1), page.integer(_PHOTOMETRIC, -1)
    if name := _NAMED_COLOURS.get(photometric):
        raise ImageError(f"a TIFF of {name} can't be read; convert it to .png")
    if photometric not in _COLOURS:
        raise ImageError("the TIFF is damaged and can't be read (it doesn't say what its numbers mean)")
    extra = samples - _COLOURS[photometric]
    if extra not in (0, 1) or (extra and photometric in (_PALETTE, _CMYK, _YCBCR)):
        raise ImageError(f"a TIFF of {samples} channels can't be read; save it as grey or RGB")
    bits = _find_bits(page, samples)
    separate = samples > 1 and page.integer(_PLANAR, _PLAIN) == _SEPARATE
    grey = photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    if bits > 8 and (photometric in (_PALETTE, _CMYK, _YCBCR) or (grey and extra)):
        kind = {_PALETTE: "palette", _CMYK: "CMYK", _YCBCR: "YCbCr"}.get(photometric, "alpha channel")
        raise ImageError(f"a TIFF of {bits} bits with {kind} can't be read; save it as grey or RGB")
    if separate and (bits not in (8, _DEEP) or grey):
        raise ImageError("a TIFF of such separate channels can't be read; save it with interleaved ones")
    if photometric == _CMYK and page.integer(_INKS, 1) != 1:
        raise ImageError("a TIFF of inks other than CMYK can't be read; save it as grey or RGB")
    alpha = page.integer(_EXTRA, 0) if extra else None
    if alpha == _ASSOCIATED:
        # The original colours can't be restored from few bits.
        raise ImageError(
            "a TIFF whose alpha channel is premultiplied can't be read; save it without an alpha channel"
        )
    return _Tiff(page, bits, photometric, separate, alpha, _find_white(page) if bits == _DEEP else None)


def _find_page(data: bytes) -> Directory:
    """Return the only page; thumbnails and masks behind it aren't counted."""
    pages = list(read_directories(data))
    if not pages:
        raise ImageError("the TIFF is damaged and can't be read (it has no page)")
    full = [page for page in pages if not page.integer(_SUBFILE, 0) & (_REDUCED | _MASK)]
    count = max(len(full), _count_stacked(pages[0]))
    if count > 1:
        raise ImageError(f"a TIFF of {count:,} pages can't be read; save each as a file of its own")
    if not full or full[0] is not pages[0]:
        raise ImageError("a TIFF whose first page is a thumbnail can't be read; convert it to .png")
    return pages[0]


def _count_stacked(page: Directory) -> int:
    """Return the number of images in a stack of ImageJ, which has a directory only for the first."""
    text = page.text(_DESCRIPTION)
    if not text.startswith(b"ImageJ="):
        return 1
    for line in text.splitlines():
        name, _, value = line.partition(b"=")
        if name == b"images" and value.isdigit():
            return int(value[:9])
    return 1


def _check_sizes(page: Directory) -> None:
    check_size(page.integer(_WIDTH, 0), page.integer(_HEIGHT, 0))
    if page.integers(_TILE_WIDTH):
        check_size(page.integer(_TILE_WIDTH, 0), page.integer(_TILE_HEIGHT, 0))


def _find_bits(page: Directory, samples: int) -> int:
    """Return the bits of a sample, which are the same for all channels."""
    bits = page.integers(_BITS) or (1,)
    bits = bits[:samples] if len(bits) > 1 else bits * samples
    if len(set(bits)) > 1 or len(bits) < samples:
        raise ImageError(f"a TIFF whose channels have {bits} bits can't be read; save it with 8 or 16")
    for form in page.integers(_FORMAT):
        if form in _FORMATS:
            name = f" (float{bits[0]})" if form == 3 else ""
            raise ImageError(
                f"a TIFF of {_FORMATS[form]}{name} can't be read, for nothing says which of them is white; "
                "save it with 8 or 16 bits"
            )
    if bits[0] not in (1, 8, *range(9, _DEEP + 1)) or (bits[0] < 8 and samples > 1):
        raise ImageError(f"a TIFF of {bits[0]} bits a sample can't be read; save it with 8 or 16")
    return bits[0]


def _find_white(page: Directory) -> int | None:
    """Return white as all bits that MaxSampleValue needs, since some files have the image's maximum there."""
    highest = max(page.integers(_MAX_VALUE), default=0)
    bits = highest.bit_length()
    return (1 << bits) - 1 if 0 < bits < _DEEP else None


def _decode_channels(tiff: _Tiff) -> NDArray[np.generic]:
    """Decode separately stored channels, each as a grey image, to BGR uint16 `[H, W, 3]`."""
    page = tiff.page
    chunks = find_chunks(page, tiff.bits)
    count = len(chunks.places) // chunks.planes
    channels = []
    for first in range(0, 3 * count, count):
        part = slice(first, first + count)
        alone = {
            _BITS: (tiff.bits,),
            _PHOTOMETRIC: (_BLACK_IS_ZERO,),
            _SAMPLES: (1,),
            _PLANAR: (_PLAIN,),
            _FORMAT: (1,),
            _ORIENTATION: (1,),
            chunks.tags[0]: chunks.places[part],
            chunks.tags[1]: chunks.lengths[part],
        }
        channels.append(decode(page.rewrite(alone, _UNNEEDED))[:, :, 0])
    return np.dstack(channels[::-1])


def _scale_to_range(image: NDArray[np.generic], tiff: _Tiff, white: int) -> NDArray[np.uint16]:
    """Scale an image so that 0 is black and 65535 white; uint16, shaped like `image`."""
    if image.dtype != np.uint16:
        raise ImageError(f"a TIFF of {tiff.bits} bits a sample can't be read; save it with 8 or 16")
    deep = image.astype(np.uint16, copy=False)
    if tiff.bits < _DEEP:  # OpenCV moves these up
        white = ((1 << tiff.bits) - 1) << (_DEEP - tiff.bits)
    elif tiff.white:
        white, highest = tiff.white, int(deep.max())
        if highest > white:
            raise ImageError(
                f"the TIFF can't be read: it holds {highest:,}, above the white that its MaxSampleValue "
                f"gives ({white:,})"
            )
    if tiff.photometric == _WHITE_IS_ZERO:
        deep = white - np.minimum(deep, white).astype(np.uint16)
    return stretch(deep, white)
