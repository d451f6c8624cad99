from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.data.labelled_images import find_labelled
from softcore_runtime import DataError, Preprocessing, UsageError

from .image_files import fill, numbered

SMALL = Preprocessing(resize=36, crop=32)


def test_labelled_images_are_good_or_in_another_folder(tmp_path: Path) -> None:
    fill(tmp_path / "good" / "monday", numbered(2))
    fill(tmp_path / "good", ["z.png"])
    fill(tmp_path / "crack", ["a.png", "b.png"])
    fill(tmp_path / "goods", ["a.jpg"])  # no longer good
    fill(tmp_path / "scratch" / "deep", ["b.bmp"])
    fill(tmp_path, ["loose.png"])
    (tmp_path / "notes.txt").touch()
    found = find_labelled(tmp_path)
    assert {path.relative_to(tmp_path).as_posix(): defective for path, defective in found.images} == {
        "good/monday/000.png": False, "good/monday/001.png": False, "good/z.png": False,
        "crack/a.png": True, "crack/b.png": True, "goods/a.jpg": True, "scratch/deep/b.bmp": True,
    }  # fmt: skip
    assert len(found.images) == 7
    assert found.layout == "good, beside crack, goods, scratch"
    assert found.omitted == [
        f"{tmp_path}: 1 image is in no folder that says good or bad, and left out: loose.png"
    ]


@pytest.mark.parametrize("truth", ["ground_truth", "Ground_Truth/crack", "GT", "crack/masks"])
def test_masks_are_no_defective_images(tmp_path: Path, truth: str) -> None:
    for name in ("good", "crack"):
        fill(tmp_path / name, [f"{name}.png"])
    (tmp_path / truth).mkdir(parents=True)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:9] = 255
    assert cv2.imwrite(str(tmp_path / truth / "crack.png"), mask)
    found = find_labelled(tmp_path).images
    assert found == [(tmp_path / "good" / "good.png", False), (tmp_path / "crack" / "crack.png", True)]


def test_labels_of_one_content_count_once(tmp_path: Path) -> None:
    fill(tmp_path / "good", ["a.png"])
    fill(tmp_path / "crack", ["b.png"])
    shutil.copy(tmp_path / "crack" / "b.png", tmp_path / "crack" / "b again.png")
    found = find_labelled(tmp_path)
    assert (len(found.images), found.repeated) == (2, 1)
    shutil.copy(tmp_path / "good" / "a.png", tmp_path / "crack" / "also.png")
    with pytest.raises(UsageError, match=r"crack/also\.png and good/a\.png have one content, given both as"):
        find_labelled(tmp_path)


def test_labelled_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "good", ["a.png"])
    fill(tmp_path / "crack", ["b.png", "c.png"])
    (tmp_path / "crack" / "b.png").write_text("this is no image")
    images, faults = find_labelled(tmp_path).check(SMALL)
    assert images == [(tmp_path / "good" / "a.png", False), (tmp_path / "crack" / "c.png", True)]
    (fault,) = faults
    assert fault.startswith(str(tmp_path / "crack" / "b.png"))
    cv2.imwrite(str(tmp_path / "crack" / "c.png"), np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(DataError, match=r"--labelled .*: of one kind no image could be read; .*b\.png"):
        find_labelled(tmp_path).check(SMALL)


@pytest.mark.parametrize(("made", "counts"), [(["good"], "2 and 0"), (["good", "crack"], "0 and 2")])
def test_labels_take_both_kinds(tmp_path: Path, made: list[str], counts: str) -> None:
    place = tmp_path / "labelled"
    for folder in made:
        fill(place / folder, [f"{folder}{name}" for name in numbered(2)])
    if counts == "0 and 2":
        shutil.rmtree(place / "good")
        (place / "good").mkdir()
    with pytest.raises(UsageError) as caught:
        find_labelled(place)
    assert str(caught.value) == (
        f"--labelled {place}: needs good images in {place / 'good'} and defective ones in another folder; "
        f"there are {counts}"
    )


def test_labels_take_a_folder_named_good(tmp_path: Path) -> None:
    for folder in ("goods", "crack"):
        fill(tmp_path / folder, numbered(2))
    with pytest.raises(UsageError, match=r"--labelled .*: needs good images in test/good"):
        find_labelled(tmp_path)


def test_labels_take_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--labelled .*/none: no such folder"):
        find_labelled(tmp_path / "none")
