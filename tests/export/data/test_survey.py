from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from softcore_export.data.survey import Survey, survey
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime import read_image
from softcore_runtime.images.preprocessing import Preprocessing

USUAL = Preprocessing(resize=256, crop=224)


def save(folder: Path, sizes: dict[tuple[int, int], int], suffix: str = ".png") -> list[Path]:
    paths = []
    for size, count in sizes.items():
        for number in range(count):
            paths.append(folder / f"{size[0]}x{size[1]}-{number}{suffix}")
            Image.new("RGB", size).save(paths[-1])
    return paths


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_sizes_are_counted_the_commonest_first(tmp_path: Path, suffix: str) -> None:
    found = survey(save(tmp_path, {(64, 48): 1, (30, 40): 3, (50, 50): 2}, suffix))
    assert found.sizes == (((30, 40), 3), ((50, 50), 2), ((64, 48), 1))


def test_what_cannot_be_read_is_left_to_who_reads_it(tmp_path: Path) -> None:
    paths = save(tmp_path, {(64, 48): 2})
    for name, content in {
        "empty.png": b"",
        "text.jpg": b"text",
        "cut.tif": b"II*\0\xff\xff",
        "p.png": b"\x89PNG",
    }.items():
        (tmp_path / name).write_bytes(content)
        paths.append(tmp_path / name)
    paths.append(tmp_path / "gone.png")
    assert survey(paths).sizes == (((64, 48), 2),)


def test_a_huge_image_is_no_attack(tmp_path: Path) -> None:
    """Pillow warns of more than 89 million pixels; only the head of this file is there."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 12000, 9000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + b"IDAT")
    assert survey([tmp_path / "large.png"]).sizes == (((12000, 9000), 1),)


SQUARE = WindowRequest(keep_aspect=False)


def describe(
    sizes: dict[tuple[int, int], int],
    preprocessing: Preprocessing = USUAL,
    request: WindowRequest = SQUARE,
) -> list[str]:
    return list(Survey(tuple(sizes.items())).describe(preprocessing, request))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_sizes_are_those_of_the_upright_images(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (64, 48)).save(tmp_path / f"turned{suffix}", exif=exif)
    height, width = read_image(tmp_path / f"turned{suffix}").shape[:2]
    assert survey([tmp_path / f"turned{suffix}"]).sizes == (((width, height), 1),)
    assert (width, height) == (48, 64)


def test_with_windows_nothing_is_squeezed() -> None:
    assert describe({(2000, 200): 95}, request=WindowRequest()) == []
    assert describe({(2000, 200): 90, (1000, 100): 5}, request=WindowRequest()) == [
        "95 images of 2 sizes: 2000 x 200 (90), 1000 x 100 (5); each is brought to one size, so a part may "
        "look different in each"
    ]
    assert describe({(2000, 200): 90, (100, 1000): 5}, request=WindowRequest(keep_aspect=True)) == [
        "5 of 95 images are of another shape than 2000 x 200: 100 x 1000 (5); the windows don't fit them, "
        "and they are left out"
    ]
    (told,) = describe({(2000, 200): 90, (200, 2000): 5}, request=WindowRequest())[1:]
    assert told.startswith("all 95 images are far from square")  # of two shapes: both are squeezed


@pytest.mark.parametrize("size", [(256, 256), (640, 480), (480, 640), (1280, 960), (171, 171), (224, 240)])
def test_usual_images_need_no_remark(size: tuple[int, int]) -> None:
    assert describe({size: 95}) == []
    assert describe({}) == []


def test_several_sizes() -> None:
    assert describe({(640, 480): 80, (1280, 960): 12}) == [
        "92 images of 2 sizes: 640 x 480 (80), 1280 x 960 (12); each is resized to 256 x 256, so a part may "
        "look different in each"
    ]
    assert (
        "5 sizes: 300 x 300 (1,900), 301 x 300 (2), 302 x 300 (1) and 2 other sizes; "
        in describe({(300, 300): 1900, (301, 300): 2, (302, 300): 1, (303, 300): 1, (304, 300): 1})[0]
    )
    assert (
        "302 x 300 (1) and 1 other size; "
        in describe({(300, 300): 1900, (301, 300): 2, (302, 300): 1, (303, 300): 1})[0]
    )


def test_oblong_images() -> None:
    assert describe({(2000, 200): 95}) == [
        "all 95 images are far from square: 2000 x 200 (95); they are squeezed to 256 x 256, the width "
        "10.0 times as much as the height; --resize 512 --crop 448 shows finer defects along it, in "
        "4 times the time"
    ]
    assert "the height 1.5 times as much as the width; --resize" in describe({(1000, 1500): 2})[0]


def test_a_larger_input_is_advised_only_where_it_shows_more() -> None:
    assert describe({(300, 200): 9}) == [
        "all 9 images are far from square: 300 x 200 (9); they are squeezed to 256 x 256, the width 1.5 "
        "times as much as the height"
    ]
    assert "--resize" not in describe({(9000, 900): 9}, Preprocessing(resize=2049, crop=2000))[0]
    (advised,) = describe({(9000, 900): 9}, Preprocessing(resize=2048, crop=2000))
    assert "--resize 4096 --crop 4000 " in advised
    Preprocessing(resize=4096, crop=4000)  # is accepted


def test_small_images() -> None:
    assert describe({(64, 48): 95}) == [
        "all 95 images are smaller than the network's input: 64 x 48 (95); they are enlarged 4.0 times to "
        "256 x 256, which shows no finer defects"
    ]
    some = describe({(640, 480): 94, (32, 32): 1})
    assert some[1].startswith("1 of 95 images is smaller than the network's input: 32 x 32 (1); ")
