from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from softcore_export.data.bit_depth import BitDepth, find_bit_depth
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector, read_bundle


def write(folder: Path, name: str, highest: int, dtype: type = np.uint16) -> Path:
    pixels = np.linspace(0, highest, 600).reshape(20, 30).astype(dtype)
    assert cv2.imwrite(str(folder / name), pixels)
    return folder / name


@pytest.mark.parametrize(
    ("highest", "white"),
    [
        (3, 255),
        (255, 255),
        (256, 1023),
        (1023, 1023),
        (1024, 4095),
        (4095, 4095),
        (4096, 65535),
        (65535, 65535),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_white_is_what_the_fewest_bits_reach(tmp_path: Path, highest: int, white: int, suffix: str) -> None:
    paths = [write(tmp_path, f"{number}{suffix}", highest // (number + 1)) for number in range(3)]
    paths.append(write(tmp_path, "plain.png", 255, np.uint8))
    assert find_bit_depth(paths).white == white


def test_one_bright_image_says_that_all_bits_are_used(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{number}.png", 900) for number in range(3)]
    assert find_bit_depth(paths) == BitDepth(3, 900, 1023)
    assert find_bit_depth([*paths, write(tmp_path, "bright.png", 5000)]) == BitDepth(4, 5000, 65535)


def test_a_file_that_says_what_is_white_uses_all_of_it(tmp_path: Path) -> None:
    pixels = np.linspace(0, 4000, 600).reshape(20, 30).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo={281: 4095})
    assert find_bit_depth([tmp_path / "a.tif"]).white == 65535


def test_what_has_8_bits_or_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    paths = [tmp_path / "text.png", tmp_path / "gone.png", write(tmp_path, "a.png", 9, np.uint8)]
    assert find_bit_depth(paths) == BitDepth()
    assert find_bit_depth(paths).describe() is None


def test_one_line_says_what_was_taken_for_white() -> None:
    assert BitDepth(40, 4003, 4095).describe() == (
        "none of the 40 images of 16 bits has a value above 4,003 of 65,535; 4,095 is taken for white, "
        "as a camera of 12 bits gives it"
    )
    assert (BitDepth(1, 900, 1023).describe() or "").startswith(
        "the image of 16 bits has no value above 900 of 65,5"
    )
    assert BitDepth(40, 60000, 65535).describe() is None


@pytest.mark.usefixtures("quick_network")
def test_twelve_bits_in_16_are_learned_and_inspected_as_8_bits_are(
    exported: Export, discs: Path, small: ExportSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "disc"
    folder.mkdir()
    for path in (discs / "disc").iterdir():
        deep = np.rint(cv2.imread(str(path)).astype(float) * (4095 / 255)).astype(np.uint16)
        assert cv2.imwrite(str(folder / path.name), deep)
    target = tmp_path / "bundles" / "disc"
    made = export(TrainingImages.find(folder), target, small)
    assert "12 images of 16 bits has a value above" in capsys.readouterr().err
    np.testing.assert_array_equal(read_bundle(target).bank, read_bundle(exported.path).bank)
    assert made.manifest.preprocessing.white == 4095
    assert exported.manifest.preprocessing.white == 65535
    inspector, plain = Inspector.load(target), Inspector.load(exported.path)
    wanted = plain.inspect(cv2.imread(str(discs / "disc" / "05.png"))).score
    file = folder / "05.png"
    assert inspector.inspect(inspector.manifest.preprocessing.read(file)).score == wanted
    assert inspector.inspect(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)).score == wanted
