from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.image_file import read_image, to_bgr8
from softcore_runtime.images.preprocessing import Preprocessing

WRITERS = {
    "plain.png": {},
    "plain.bmp": {},
    "plain.tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "deflated.TIFF": {"compression": "tiff_deflate"},
    "baseline.jpg": {"quality": 95},
    "progressive.jpeg": {"quality": 95, "progressive": True},
}


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """An RGB image of 50 x 40 without symmetry: red grows right, green down, blue is a texture."""
    across, down = np.meshgrid(np.arange(50), np.arange(40))
    rgb = np.stack([across * 5, down * 6, 128 + 60 * np.sin(across / 5 + down / 9)], 2)
    return Image.fromarray(rgb.astype(np.uint8))


def pillow_bgr(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))[:, :, ::-1].astype(int)


@pytest.mark.parametrize("name", WRITERS)
def test_reads_what_pillow_reads(tmp_path: Path, photo: Image.Image, name: str) -> None:
    photo.save(tmp_path / name, **WRITERS[name])
    image = read_image(tmp_path / name)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    # Two JPEG decoders may round their inverse DCT and chroma differently; every other format is lossless.
    np.testing.assert_allclose(image, pillow_bgr(tmp_path / name), atol=4 if "jp" in name else 0)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_reads_grey_and_palettes(tmp_path: Path, photo: Image.Image, mode: str, suffix: str) -> None:
    photo.convert(mode).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), pillow_bgr(tmp_path / f"a{suffix}"))


@pytest.mark.parametrize(("suffix", "alpha"), [(".png", 7), (".png", 255), (".tif", 255)])
def test_alpha_is_dropped_not_blended(tmp_path: Path, photo: Image.Image, suffix: str, alpha: int) -> None:
    transparent = photo.copy()
    transparent.putalpha(Image.fromarray(np.full((40, 50), alpha, np.uint8)))
    transparent.save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), np.asarray(photo)[:, :, ::-1])


def test_grey_with_alpha(tmp_path: Path, photo: Image.Image) -> None:
    photo.convert("LA").save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png"), np.repeat(np.asarray(photo.convert("L"))[:, :, None], 3, 2)
    )


def test_cmyk_jpeg_is_not_inverted(tmp_path: Path, photo: Image.Image) -> None:
    photo.convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    image = read_image(tmp_path / "a.jpg").astype(int)
    np.testing.assert_allclose(image, pillow_bgr(tmp_path / "a.jpg"), atol=6)
    # And near the image before the JPEG, so that an inversion shared by both decoders would show.
    original = np.asarray(photo)[:, :, ::-1].astype(int)
    assert abs(image - original).mean() < 10 < abs(255 - image - original).mean()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_over_the_full_range(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    values = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(values).save(path)
    grey = read_image(path)[:, :, 0].reshape(-1)
    np.testing.assert_array_equal(grey, np.rint(np.arange(1 << 16) / 257))
    assert (grey[0], grey[-1]) == (0, 255)
    assert (np.diff(grey.astype(int)) >= 0).all()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_twelve_bits_in_sixteen_keep_256_grey_levels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(values).save(path)
    assert len(np.unique(read_image(path))) == 17  # nothing says that 4095 is white
    grey = read_image(path, white=4095)[:, :, 0].reshape(-1)
    np.testing.assert_array_equal(grey, np.rint(np.arange(4096) * (255 / 4095)))
    np.testing.assert_array_equal(Preprocessing(white=4095).read(path), read_image(path, white=4095))
    np.testing.assert_array_equal(
        Preprocessing(white=4095).apply(values), Preprocessing().apply(read_image(path, white=4095))
    )


def test_sixteen_bit_colour(tmp_path: Path, photo: Image.Image) -> None:
    bgr = np.asarray(photo)[:, :, ::-1]
    for suffix in (".png", ".tif"):
        cv2.imwrite(str(tmp_path / f"a{suffix}"), bgr.astype(np.uint16) * 257)
        np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), bgr)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, photo: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.save(tmp_path / "a.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "a.jpg") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))[:, :, ::-1]
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == upright.shape == ((40, 50, 3) if orientation < 5 else (50, 40, 3))
    np.testing.assert_allclose(image, upright.astype(int), atol=4)


@pytest.mark.parametrize("name", WRITERS)
def test_a_cut_off_image_is_refused(tmp_path: Path, photo: Image.Image, name: str) -> None:
    photo.save(tmp_path / name, **WRITERS[name])
    data = (tmp_path / name).read_bytes()
    end = len(data)
    for kept in sorted({1, 2, 4, 8, 16, 30, *(end * part // 16 for part in range(1, 16)), end - 12, end - 1}):
        (tmp_path / name).write_bytes(data[:kept])
        with pytest.raises(ImageError, match=name):
            read_image(tmp_path / name)
    (tmp_path / name).write_bytes(data)
    read_image(tmp_path / name)


def test_a_jpeg_cut_off_behind_its_thumbnail_is_refused(tmp_path: Path, photo: Image.Image) -> None:
    """The thumbnail in the EXIF data brings an end-of-image marker of its own."""
    photo.resize((10, 8)).save(tmp_path / "thumbnail.jpg")
    photo.save(tmp_path / "a.jpg", exif=b"Exif\x00\x00" + (tmp_path / "thumbnail.jpg").read_bytes())
    data = (tmp_path / "a.jpg").read_bytes()
    assert data.count(b"\xff\xd9") == 2
    (tmp_path / "a.jpg").write_bytes(data[:-40])
    with pytest.raises(ImageError, match="cut off"):
        read_image(tmp_path / "a.jpg")


def test_a_jpeg_with_bytes_behind_its_end_is_read(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "a.jpg")
    whole = read_image(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + b"serial number 4711\0")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), whole)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"not an image at all, but long enough to be one\n" * 20, "not an image"),
        (bytes(1000), "not an image"),
        (b"\xff\xd8\xff", "cut off"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "notes.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=said) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name in ("missing.png", "folder.png"):
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: can't be read")


def test_a_float_tiff_is_refused(tmp_path: Path) -> None:
    """What range its numbers span isn't known, so no scaling would be right."""
    numbers = np.linspace(0, 1, 300, dtype=np.float32).reshape(10, 10, 3)
    Image.fromarray(numbers[:, :, 0]).save(tmp_path / "grey.tif")
    with pytest.raises(ImageError, match=r"grey\.tif: "):
        read_image(tmp_path / "grey.tif")
    cv2.imwrite(str(tmp_path / "colour.tif"), numbers)
    with pytest.raises(ImageError, match=r"colour\.tif: a TIFF of .*(float32|LogLuv)"):
        read_image(tmp_path / "colour.tif")


@pytest.mark.parametrize(
    "frame",
    [
        [[1, 2], [3, 4]],
        None,
        b"frame",
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), bool),
        np.zeros((4, 4, 3), np.int16),
        np.zeros((4, 4, 3), np.uint32),
        np.zeros((4, 4, 3), ">u2"),
        np.zeros((4, 4, 3), object),
        np.zeros(4, np.uint8),
        np.zeros((), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((3, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.zeros((4, 4, 0), np.uint8),
    ],
)
def test_to_bgr8_refuses_what_is_no_frame(frame: object) -> None:
    with pytest.raises(FrameError, match="a frame must"):
        to_bgr8(frame)  # type: ignore[arg-type]


@given(
    st.integers(1, 12), st.integers(1, 12), st.sampled_from(["", "1", "3", "4"]), st.booleans(), st.booleans()
)
def test_to_bgr8_of_every_kind(height: int, width: int, channels: str, deep: bool, strided: bool) -> None:
    rng = np.random.default_rng(height * 13 + width)
    shape = (height, width, *map(int, channels))
    eight = rng.integers(0, 256, shape, dtype=np.uint8)
    frame = eight.astype(np.uint16) * 257 if deep else eight
    if strided:  # a view upside down, as a ROI of a larger frame might come
        frame = frame[::-1].copy()[::-1]
    before = frame.copy()
    image = to_bgr8(frame)
    want = np.dstack([eight] * 3) if channels in ("", "1") else eight[:, :, :3]
    np.testing.assert_array_equal(image, want)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(frame, before)


def test_a_path_may_be_text(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 7).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.png")), np.full((2, 3, 3), 7))


def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"gr\xfcn.png")
    with pytest.raises(ImageError, match=r"/gr\\udcfcn\.png: can't be read") as caught:
        read_image(path)
    str(caught.value).encode()
    Image.new("L", (3, 2), 7).save(path)
    np.testing.assert_array_equal(read_image(path), np.full((2, 3, 3), 7))
