from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from softcore_runtime.errors import ImageError
from softcore_runtime.images.formats.tiff_directory import read_directories
from softcore_runtime.images.image import decode_image

from ..image_files import write_tiff

ASSOCIATED, UNASSOCIATED = 1, 2


@pytest.fixture(scope="module")
def deep() -> np.ndarray:
    """uint16 RGB of 37 x 21 without symmetry."""
    return np.random.default_rng(5).integers(0, 1 << 16, (21, 37, 3), dtype=np.uint16)


@pytest.fixture(scope="module")
def flat(deep: np.ndarray) -> np.ndarray:
    return (deep >> 8).astype(np.uint8)


def check(data: bytes, wanted: np.ndarray) -> None:
    """Compare with RGB or grey `[H, W, channels]`; twice, for what isn't set differs from read to read."""
    for _ in range(2):
        image = decode_image(data)
        assert image.dtype == wanted.dtype
        bgr = wanted[:, :, 2::-1] if wanted.shape[2] > 1 else np.repeat(wanted, 3, axis=2)
        np.testing.assert_array_equal(image, bgr)


def with_alpha(pixels: np.ndarray, alpha: int) -> np.ndarray:
    return np.dstack([pixels, np.full(pixels.shape[:2], alpha, pixels.dtype)])


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("layout", [{}, {"rows": 8}, {"tile": 32}])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("compression", [1, 8])
def test_every_layout_of_rgb(
    deep: np.ndarray, layout: dict, separate: bool, endian: str, big: bool, compression: int
) -> None:
    options = {**layout, "separate": separate, "endian": endian, "big": big, "compression": compression}
    check(write_tiff(deep, **options), deep)
    check(write_tiff((deep >> 8).astype(np.uint8), **options), (deep >> 8).astype(np.uint8))


def test_separate_channels_are_what_pillow_reads_of_8_bits(flat: np.ndarray, deep: np.ndarray) -> None:
    with Image.open(io.BytesIO(write_tiff(flat, separate=True))) as image:
        np.testing.assert_array_equal(
            np.asarray(image)[:, :, ::-1], decode_image(write_tiff(deep, separate=True)) >> 8
        )


def test_white_is_zero_is_inverted_at_every_depth(deep: np.ndarray, flat: np.ndarray) -> None:
    for pixels in (deep[:, :, :1], flat[:, :, :1]):
        check(write_tiff(pixels, photometric=0), ~pixels)
        check(write_tiff(pixels, photometric=1), pixels)
    with Image.open(io.BytesIO(write_tiff(flat[:, :, :1], photometric=0))) as image:
        np.testing.assert_array_equal(np.asarray(image), ~flat[:, :, 0])


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("separate", [False, True])
def test_fewer_bits_in_16_are_scaled_by_max_sample_value(deep: np.ndarray, bits: int, separate: bool) -> None:
    white = (1 << bits) - 1
    few = deep >> (16 - bits)
    wanted = np.rint(few * (65535 / white)).astype(np.uint16)
    assert wanted.max() > 65000
    check(write_tiff(few, separate=separate, tags={281: (3, [white] * 3)}), wanted)
    inverted = write_tiff(few[:, :, :1], photometric=0, tags={281: (3, [white])})
    check(inverted, np.rint((white - few[:, :, :1]) * (65535 / white)).astype(np.uint16))
    # Some note what an image reaches: its scale is another image's of the same camera.
    check(write_tiff(few, tags={281: (3, [white - 60])}), wanted)


def test_fewer_bits_in_16_are_scaled_by_the_white_that_is_told(deep: np.ndarray) -> None:
    few = deep >> 4
    wanted = np.rint(few * (65535 / 4095)).astype(np.uint16)
    for separate in (False, True):
        image = decode_image(write_tiff(few, separate=separate), white=4095)
        np.testing.assert_array_equal(image, wanted[:, :, ::-1])
    image = decode_image(write_tiff(few[:, :, :1], photometric=0), white=4095)
    np.testing.assert_array_equal(image[:, :, 0], np.rint((4095 - few[:, :, 0]) * (65535 / 4095)))
    # The file knows better, and what is above white is white.
    tagged = write_tiff(few >> 2, tags={281: (3, [1023] * 3)})
    np.testing.assert_array_equal(decode_image(tagged, white=4095), decode_image(tagged))
    assert decode_image(write_tiff(deep), white=4095).min() == 65535 * deep.min() // 4095
    assert (decode_image(write_tiff(deep), white=4095)[deep[:, :, ::-1] >= 4095] == 65535).all()


def test_a_max_sample_value_that_the_pixels_exceed_is_refused(deep: np.ndarray) -> None:
    with pytest.raises(
        ImageError, match=r"holds 65,\d+, above the white that its MaxSampleValue gives \(4,095"
    ):
        decode_image(write_tiff(deep, tags={281: (3, [4095] * 3)}))
    check(write_tiff(deep, tags={281: (3, [65535] * 3)}), deep)
    check(write_tiff(deep, tags={281: (3, [0] * 3)}), deep)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_span_the_full_range(bits: int) -> None:
    values = np.random.default_rng(bits).integers(0, 1 << bits, (4, 8))
    values[0, :2] = 0, (1 << bits) - 1
    packed = np.packbits([[value >> i & 1 for i in reversed(range(bits))] for value in values.ravel()])
    for photometric, wanted in ((1, values), (0, (1 << bits) - 1 - values)):
        data = write_tiff(
            np.zeros((4, 8, 1), np.uint8), photometric=photometric, bits=bits, raw=packed.tobytes()
        )
        image = decode_image(data)[:, :, 0].astype(float)
        np.testing.assert_allclose(image, wanted * (65535 / ((1 << bits) - 1)), atol=0.51)


@pytest.mark.parametrize("alpha", [0, 7, 255])
@pytest.mark.parametrize("extra", [[0], [UNASSOCIATED], []])
@pytest.mark.parametrize("separate", [False, True])
def test_alpha_is_dropped_as_of_a_png(
    deep: np.ndarray, flat: np.ndarray, alpha: int, extra: list[int], separate: bool
) -> None:
    check(write_tiff(with_alpha(deep, alpha * 257), extra=extra, separate=separate), deep)
    check(write_tiff(with_alpha(flat, alpha), extra=extra, separate=separate), flat)
    if not separate:
        check(write_tiff(with_alpha(flat[:, :, :1], alpha), extra=extra, photometric=1), flat[:, :, :1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_what_pillow_makes_of_it(flat: np.ndarray, orientation: int) -> None:
    tags = {274: (3, [orientation])}
    with Image.open(io.BytesIO(write_tiff(flat, tags=tags))) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    for endian in "<>":
        check(write_tiff(flat, tags=tags, endian=endian), upright)
        for separate in (False, True):
            data = write_tiff(flat.astype(np.uint16) * 257, tags=tags, endian=endian, separate=separate)
            check(data, upright.astype(np.uint16) * 257)


def test_palette_and_cmyk(flat: np.ndarray) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (3, 256)) * 257
    data = write_tiff(flat[:, :, :1], photometric=3, tags={320: (3, colours.ravel().tolist())})
    with Image.open(io.BytesIO(data)) as image:
        check(data, np.asarray(image.convert("RGB")))
    inks = with_alpha(flat, 40)
    data = write_tiff(inks, photometric=5)
    with Image.open(io.BytesIO(data)) as image:
        rgb = np.asarray(image.convert("RGB")).astype(int)
    np.testing.assert_allclose(decode_image(data), rgb[:, :, ::-1], atol=1)  # both round


def test_a_number_of_bits_for_each_channel_or_one_for_all(flat: np.ndarray, deep: np.ndarray) -> None:
    for pixels, bits in ((flat, 8), (deep, 16)):
        for noted in ([bits], [bits] * 4):
            check(write_tiff(pixels, bits=noted), pixels)
        with pytest.raises(ImageError, match=r"channels have \(\d+, \d+, 8\) bits can't be read"):
            decode_image(write_tiff(pixels, bits=[bits, 16 if bits == 8 else 8, 8]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"photometric": 8}, "CIELAB colours can't be read; convert it to .png"),
        ({"photometric": 9}, "ICCLAB"),
        ({"photometric": 32803}, "a sensor's raw mosaic"),
        ({"photometric": 32845}, "LogLuv"),
        ({"photometric": 77}, "doesn't say what its numbers mean"),
        ({"tags": {262: (3, [])}}, "doesn't say what its numbers mean"),
        ({"tags": {339: (3, [2, 2, 2])}}, "signed whole numbers can't be read"),
        ({"tags": {339: (3, [3, 3, 3])}}, r"floating-point numbers \(float\d+\) can't be read"),
        ({"tags": {277: (3, [2])}}, "2 channels can't be read"),
        ({"bits": 24}, "24 bits a sample can't be read"),
        ({"bits": 32}, "32 bits a sample can't be read"),
        ({"pages": ({}, {})}, "a TIFF of 2 pages can't be read; save each as a file of its own"),
        ({"pages": ({}, {}, {254: (4, [1])}, {})}, "a TIFF of 3 pages"),
        ({"pages": ({254: (4, [1])}, {})}, "whose first page is a thumbnail"),
        ({"tags": {270: (2, [*b"ImageJ=1.54\nimages=12\nslices=12\n\0"])}}, "a TIFF of 12 pages"),
        ({"tags": {256: (4, [20_000]), 257: (4, [20_000])}}, "20,000 x 20,000 pixels can't be read"),
        ({"tags": {322: (4, [1 << 20]), 323: (4, [1 << 20]), 324: (4, [8])}}, "1,048,576 x 1,048,576 pixels"),
        ({"tags": {256: (4, [0])}}, "not an image"),
        ({"tags": {256: (11, [3.5])}}, "its tag 256 holds no whole numbers"),
    ],
)
def test_what_would_be_another_image_is_refused(
    deep: np.ndarray, flat: np.ndarray, options: dict, said: str
) -> None:
    for pixels in (deep, flat):
        with pytest.raises(ImageError, match=said):
            decode_image(write_tiff(pixels, **options))


def test_thumbnails_and_masks_behind_the_image_are_passed_over(deep: np.ndarray) -> None:
    check(write_tiff(deep, pages=({}, {254: (4, [1])}, {254: (4, [4])})), deep)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_premultiplied_colours_are_refused(dtype: type) -> None:
    pixels = np.full((4, 6, 4), 9, dtype)
    with pytest.raises(ImageError, match="whose alpha channel is premultiplied can't be read"):
        decode_image(write_tiff(pixels, extra=[ASSOCIATED]))


@pytest.mark.parametrize(
    ("channels", "options", "said"),
    [
        (2, {"photometric": 1, "extra": [2]}, "16 bits with alpha channel"),
        (1, {"photometric": 3}, "16 bits with palette"),
        (4, {"photometric": 5}, "16 bits with CMYK"),
        (3, {"photometric": 6}, "16 bits with YCbCr"),
        (5, {"extra": [2, 0]}, "5 channels"),
    ],
)
def test_deep_kinds_that_opencv_takes_for_others_are_refused(channels: int, options: dict, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        decode_image(write_tiff(np.zeros((4, 6, channels), np.uint16), **options))


@pytest.mark.parametrize("bits", [2, 4, 6])
@pytest.mark.parametrize("photometric", [0, 1, 3])
def test_few_bits_are_named(bits: int, photometric: int) -> None:
    data = write_tiff(
        np.zeros((8, 16, 1), np.uint8), photometric=photometric, bits=bits, raw=bytes(16 * bits)
    )
    with pytest.raises(
        ImageError, match=f"^a TIFF of {bits} bits a sample can't be read; save it with 8 or 16$"
    ):
        decode_image(data)


@pytest.mark.parametrize("compression", [None, "group3", "group4", "packbits", "tiff_lzw"])
def test_one_bit(compression: str | None) -> None:
    stream = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(3).integers(0, 2, (21, 37)) > 0)
    image.save(stream, "tiff", compression=compression)
    check(stream.getvalue(), np.asarray(image.convert("L"))[:, :, None])


@pytest.mark.parametrize(
    ("compression", "name"),
    [
        (6, "old-style JPEG"),
        (34712, "JPEG 2000"),
        (34925, "LZMA"),
        (50000, "Zstandard"),
        (50001, "WebP"),
        (4711, "kind 4711"),
    ],
)
def test_a_compression_that_opencv_may_take_for_black_is_named(
    flat: np.ndarray, deep: np.ndarray, compression: int, name: str
) -> None:
    for pixels in (flat, deep):
        with pytest.raises(ImageError) as caught:
            decode_image(write_tiff(pixels, compression=compression))
        assert str(caught.value) == f"a TIFF compressed as {name} can't be read; convert it to .png"


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_every_compression(flat: np.ndarray, compression: str, mode: str) -> None:
    if (mode == "YCbCr") != (compression == "jpeg"):
        return  # Pillow writes JPEG so, and nothing else
    stream = io.BytesIO()
    Image.fromarray(flat).convert("RGB" if mode == "YCbCr" else mode).save(
        stream, "tiff", compression=compression
    )
    with Image.open(stream) as image:
        wanted = np.asarray(image.convert("RGB")).astype(int)[:, :, ::-1]
    np.testing.assert_allclose(decode_image(stream.getvalue()), wanted, atol={"jpeg": 3}.get(compression, 1))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    across, down = np.meshgrid(np.arange(101), np.arange(60))
    noise = np.random.default_rng(2).normal(0, 3, (60, 101))
    return (128 + 60 * np.sin(across / 9 + down / 5) + noise).astype(np.uint8)


@pytest.mark.parametrize("compression", [5, 8])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("colour", [False, True])
def test_damaged_pixels_are_refused(photo: np.ndarray, compression: int, deep: bool, colour: bool) -> None:
    """Of 8 bits libtiff is asked for what can be decoded, and the rest is black."""
    pixels = photo.astype(np.uint16) * 257 if deep else photo
    pixels = np.dstack([pixels] * 3) if colour else pixels
    name = cv2.IMWRITE_TIFF_COMPRESSION
    data = cv2.imencode(".tif", pixels, [name, compression])[1].tobytes()
    np.testing.assert_array_equal(decode_image(data), pixels if colour else np.dstack([pixels] * 3))
    middle = len(data) // 2
    with pytest.raises(ImageError, match=r"damaged|not an image"):
        decode_image(data[:middle] + bytes(range(256)) + data[middle + 256 :])


def test_missing_pixels_are_refused(flat: np.ndarray) -> None:
    data = write_tiff(flat, rows=5)
    (page,) = read_directories(data)
    with pytest.raises(ImageError, match="cut off"):
        decode_image(page.rewrite({279: (555, 555, 555, 555, 110)}))
    with pytest.raises(ImageError, match="cut off"):
        decode_image(page.rewrite({273: (8, 9, 10, 11, 1 << 20)}))
    with pytest.raises(ImageError, match="it has 4 strips or tiles of 5"):
        decode_image(page.rewrite({273: page.integers(273)[:4]}))
    with pytest.raises(ImageError, match="some of its pixels are missing"):
        decode_image(write_tiff(flat, compression=8, raw=flat.tobytes()[:-9]))


def test_directories_that_run_in_a_circle_are_refused(flat: np.ndarray) -> None:
    data = bytearray(write_tiff(flat))
    at = int.from_bytes(data[4:8], "little")
    data[-4:] = at.to_bytes(4, "little")
    with pytest.raises(ImageError, match="its pages run in a circle"):
        decode_image(bytes(data))


def test_a_place_beyond_all_numbers_is_refused(flat: np.ndarray) -> None:
    data = bytearray(write_tiff(flat, big=True))
    data[8:16] = b"\xff" * 8
    with pytest.raises(ImageError, match="it is cut off"):
        decode_image(bytes(data))


def test_a_page_is_written_anew_with_other_tags(deep: np.ndarray) -> None:
    for big in (False, True):
        (page,) = read_directories(write_tiff(deep, big=big, endian=">", rows=4))
        (copy,) = read_directories(page.rewrite({274: (6,), 279: (1, 2, 3, 4, 5)}, removed=(258,)))
        assert (copy.integers(274), copy.integers(279), copy.integers(258)) == ((6,), (1, 2, 3, 4, 5), ())
        assert copy.integers(273) == page.integers(273)
        assert copy.integer(262, 0) == 2


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=8), st.booleans())
def test_a_damaged_tiff_is_an_image_or_an_error(place: int, change: bytes, separate: bool) -> None:
    data = bytearray(write_tiff(np.full((8, 9, 3), 700, np.uint16), separate=separate, rows=3))
    # In the directory more often than in the pixels.
    place = len(data) - 1 - place % 200 if place % 4 else place % len(data)
    data[place : place + len(change)] = change
    try:
        image = decode_image(bytes(data))
    except ImageError as error:
        assert str(error)  # noqa: PT017
    else:
        assert image.dtype in (np.uint8, np.uint16)
