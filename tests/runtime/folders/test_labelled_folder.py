"""Each layout is drawn as it is published, with photographs of noise, and masks that are black and white."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_runtime.errors import UsageError
from softcore_runtime.folders.labelled_folder import (
    ImagePart,
    LabelledPart,
    find_class_part,
    find_test_part,
    find_training_part,
)

Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """A function that draws images under a category's folder; all kinds but `photo` are masks."""
    rng = np.random.default_rng(0)

    def make(**kinds: str) -> Path:
        for kind, names in kinds.items():
            for name in names.split():
                path = tmp_path / "part" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                image = np.zeros((32, 32), np.uint8)
                if kind == "photo":
                    image = rng.integers(20, 230, (32, 32, 3)).astype(np.uint8)
                elif kind == "marked":
                    image[10:14, 10:14] = 255
                elif kind == "classes":  # of several kinds of defects, in low numbers
                    image[10:14, 10:14] = 2
                assert cv2.imwrite(str(path), image)
        return tmp_path / "part"

    return make


def names(part: ImagePart) -> list[str]:
    return [path.relative_to(part.folder).as_posix() for path in part.images]


def labels(part: LabelledPart, folder: Path) -> dict[str, bool]:
    found = {path.relative_to(folder).as_posix(): False for path in part.good}
    return found | {path.relative_to(folder).as_posix(): True for path in part.bad}


@pytest.mark.parametrize("truth", ["ground_truth", "Ground_Truth", "GT", "groundtruth"])
def test_mvtec_ad(draw: Draw, truth: str) -> None:
    folder = draw(
        photo="train/good/000.png train/good/001.png test/good/000.png test/crack/000.png test/label/000.png",
        marked=f"{truth}/crack/000_mask.png {truth}/label/000_mask.png",
    )
    part = find_training_part(folder)
    assert (part.folder, part.layout, names(part), part.omitted) == (
        folder / "train" / "good", "MVTec AD's layout", ["000.png", "001.png"], [],
    )  # fmt: skip
    tested = find_test_part(folder)
    assert (tested.folder, tested.layout, tested.omitted) == (folder / "test", "MVTec AD's layout", [])
    assert labels(tested, folder) == {
        "test/good/000.png": False, "test/crack/000.png": True, "test/label/000.png": True,
    }  # fmt: skip
    assert labels(find_test_part(folder / "test"), folder) == labels(tested, folder)
    assert names(find_training_part(folder / "train" / "good")) == ["000.png", "001.png"]


def test_what_is_like_mvtec_ad(draw: Draw) -> None:
    folder = draw(
        photo="Train/OK/1.png Validation/OK/5.png Test/OK/2.png Test/KO/3.png",
        marked="Test/Ground-Truth/KO/3.png",
    )
    part = find_training_part(folder)
    assert (part.folder.name, names(part), part.layout) == ("OK", ["1.png"], "MVTec AD's layout")
    assert labels(find_test_part(folder), folder) == {"Test/OK/2.png": False, "Test/KO/3.png": True}


def test_mvtec_3d_ad(draw: Draw) -> None:
    folder = draw(
        photo="train/good/rgb/1.png train/good/xyz/1.tiff test/good/rgb/1.png test/good/xyz/1.tiff "
        "test/hole/rgb/1.png test/hole/xyz/1.tiff",
        black="train/good/gt/1.png test/good/gt/1.png",
        marked="test/hole/gt/1.png",
    )
    part = find_training_part(folder)
    assert (part.layout, part.images) == ("MVTec 3D-AD's layout", [folder / "train/good/rgb/1.png"])
    tested = find_test_part(folder)
    assert tested.layout == "MVTec 3D-AD's layout"
    assert labels(tested, folder) == {"test/good/rgb/1.png": False, "test/hole/rgb/1.png": True}


def test_masks_in_a_class_are_left_out_and_named(draw: Draw) -> None:
    folder = draw(
        photo="test/good/1.png test/crack/1.png", black="test/good/gt/1.png", marked="test/crack/gt/1.png"
    )
    tested = find_test_part(folder)
    assert labels(tested, folder) == {"test/good/1.png": False, "test/crack/1.png": True}
    assert tested.omitted == [
        f"{folder / 'test'}: 1 mask is left out: good/gt/1.png",
        f"{folder / 'test'}: 1 mask is left out: crack/gt/1.png",
    ]
    part = find_class_part(folder / "test" / "good", defective=False)
    assert (names(part), part.omitted) == (
        ["1.png"],
        [f"{folder / 'test' / 'good'}: 1 mask is left out: gt/1.png"],
    )


def test_visa(draw: Draw) -> None:
    folder = draw(
        photo="Data/Images/Normal/0001.JPG Data/Images/Normal/0002.JPG Data/Images/Anomaly/000.JPG",
        classes="Data/Masks/Anomaly/000.png",
    )
    part = find_training_part(folder)
    assert (part.folder, part.layout, names(part)) == (
        folder / "Data" / "Images" / "Normal", "VisA's layout", ["0001.JPG", "0002.JPG"],
    )  # fmt: skip
    tested = find_test_part(folder)
    assert tested.layout == "VisA's layout"
    assert labels(tested, folder / "Data" / "Images") == {
        "Normal/0001.JPG": False, "Normal/0002.JPG": False, "Anomaly/000.JPG": True,
    }  # fmt: skip


def test_kolektor_sdd_2(draw: Draw) -> None:
    folder = draw(
        photo="train/10.png train/11.png train/12.png test/10.png test/13.png",
        black="train/10_GT.png train/12_GT.png test/13_GT.png",
        marked="train/11_GT.png test/10_GT.png",
    )
    part = find_training_part(folder)
    assert (part.folder, names(part)) == (folder / "train", ["10.png", "12.png"])
    assert part.layout == "KolektorSDD2's layout; 1 that a mask marks is left out"
    tested = find_test_part(folder)
    assert (tested.layout, labels(tested, folder)) == (
        "KolektorSDD2's layout", {"test/10.png": True, "test/13.png": False},
    )  # fmt: skip


@pytest.mark.parametrize("flat", [False, True])
def test_dagm(draw: Draw, flat: bool) -> None:
    train, test = ("Label", "Label") if flat else ("Train/Label", "Test/Label")
    folder = draw(
        photo="Train/0001.PNG Train/0002.PNG Test/0003.PNG Test/0004.PNG",
        marked=f"{train}/0002_label.PNG {test}/0003_label.PNG",
    )
    part = find_training_part(folder)
    assert (part.folder, names(part)) == (folder / "Train", ["0001.PNG"])
    assert part.layout == "DAGM's layout; 1 that a mask marks is left out"
    tested = find_test_part(folder)
    assert (tested.layout, labels(tested, folder)) == (
        "DAGM's layout", {"Test/0003.PNG": True, "Test/0004.PNG": False},
    )  # fmt: skip


def test_a_mask_that_may_be_of_two_images_is_told(draw: Draw) -> None:
    folder = draw(photo="Train/1.png Train/2.png Test/1.png", marked="Label/1_label.png")
    part = find_training_part(folder)
    assert names(part) == ["2.png"]
    assert part.omitted == [
        f"{folder}: 1 image whose mask can't be read, or may be another one's, left out: Train/1.png"
    ]


def test_a_mask_that_cannot_be_read_is_told(draw: Draw) -> None:
    folder = draw(photo="1.png 2.png", black="1_mask.png 2_mask.png")
    (folder / "2_mask.png").write_bytes(b"no image")
    part = find_training_part(folder)
    assert (names(part), part.layout) == (["1.png"], "masks beside the images")
    assert part.omitted[-1].endswith("may be another one's, left out: 2.png")


def test_good_beside_classes(draw: Draw) -> None:
    folder = draw(photo="good/1.png crack/2.png poke/3.png 4.png", marked="mask/2.png")
    part = find_training_part(folder)
    assert (part.folder, names(part)) == (folder / "good", ["1.png"])
    assert part.layout == "good, beside crack, mask, poke"
    assert part.omitted == [f"{folder}: 1 image beside good, left out: 4.png"]
    tested = find_test_part(folder)
    assert labels(tested, folder) == {"good/1.png": False, "crack/2.png": True, "poke/3.png": True}
    assert tested.omitted == [f"{folder}: 1 image is in no folder that says good or bad, and left out: 4.png"]


@pytest.mark.parametrize("masks", ["masks", "Annotations"])
def test_images_beside_masks(draw: Draw, masks: str) -> None:
    folder = draw(photo="images/1.png images/2.png", marked=f"{masks}/2.png", black=f"{masks}/1.png")
    part = find_training_part(folder)
    assert (part.folder, names(part)) == (folder / "images", ["1.png"])
    assert part.layout == f"masks in {masks}; 1 that a mask marks is left out"
    assert labels(find_test_part(folder), folder / "images") == {"1.png": False, "2.png": True}


def test_a_plain_folder(draw: Draw) -> None:
    folder = draw(photo="1.png monday/2.png color/3.png")
    assert find_training_part(folder) == ImagePart(
        folder, "", [folder / "1.png", *map(folder.joinpath, ("color/3.png", "monday/2.png"))]
    )
    with pytest.raises(UsageError, match=r"needs good images in test/good .* --good and --bad"):
        find_test_part(folder)


def test_photographs_in_a_folder_named_as_masks_are_learned(draw: Draw) -> None:
    folder = draw(photo="1.png label/2.png part_label.png part.png")
    assert names(find_training_part(folder)) == ["1.png", "label/2.png", "part.png", "part_label.png"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("crack/1.png 2.png", "part: crack looks like defective parts, and no folder is named good"),
        ("deep_scratch/1.png monday/2.png", "deep_scratch looks like defective parts"),
        ("test/crack/1.png", "train/good: no such folder, though test images or masks are there"),
        ("TEST/1.png 2.png", "train/good: no such folder, though test images or masks are there"),
        ("good/1.png OK/2.png", "part: OK and good may both be meant"),
        ("line1/good/1.png line1/poke/2.png", "part: line1/good in it looks like good parts"),
        ("line1/ng/1.png line1/2.png", "part: line1/ng in it looks like defective parts"),
        ("monday/test/1.png 2.png", "part: monday/test in it looks like test images"),
        ("train/monday/bad/1.png train/2.png", "part: train/monday/bad in it looks like defective parts"),
    ],
)  # fmt: skip
def test_an_unknown_layout_is_refused_in_one_line(draw: Draw, made: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_training_part(draw(photo=made))
    assert said in str(caught.value)
    assert str(caught.value).endswith("pass the folder of good images alone, as --data FOLDER")
    assert len(caught.value.lines) == 1


def test_masks_alone_are_no_images(draw: Draw) -> None:
    with pytest.raises(UsageError, match="no such folder, though test images or masks are there"):
        find_training_part(draw(marked="ground_truth/crack/1.png ground_truth/crack/2.png"))


@pytest.mark.parametrize(
    ("made", "defective", "said"),
    [
        ("good/1.png crack/2.png", False, "crack in it looks like defective parts"),
        ("good/1.png crack/2.png", True, "good in it looks like good parts"),
        ("good/1.png poke/2.png", False, "good in it looks like good parts"),
        ("train/1.png 2.png", False, "train in it looks like training images"),
    ],
)
def test_a_class_of_two_kinds_is_refused(draw: Draw, made: str, defective: bool, said: str) -> None:
    with pytest.raises(UsageError, match=rf"part: {said}; pass folders of one kind each"):
        find_class_part(draw(photo=made), defective=defective)


def test_a_class_may_have_folders(draw: Draw) -> None:
    folder = draw(photo="crack/1.png scratch/2.png 3.png")
    assert names(find_class_part(folder, defective=True)) == ["3.png", "crack/1.png", "scratch/2.png"]


def test_of_several_test_parts_test_is_taken(draw: Draw) -> None:
    folder = draw(photo="validation/good/1.png test/good/2.png test/logical_anomalies/3.png train/good/4.png")
    assert labels(find_test_part(folder), folder) == {
        "test/good/2.png": False, "test/logical_anomalies/3.png": True,
    }  # fmt: skip


def test_what_lies_beside_the_training_part_is_told(draw: Draw) -> None:
    folder = draw(photo="train/1.png spare/2.png 3.png test/4.png")
    part = find_training_part(folder)
    assert (part.layout, names(part)) == ("train", ["1.png"])
    assert part.omitted == [f"{folder}: 2 images beside train, left out: 3.png, spare/2.png"]


def test_a_folder_that_cannot_be_read_is_told() -> None:
    """As another user, for root may read all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        image = np.random.default_rng(0).integers(20, 230, (32, 32, 3)).astype(np.uint8)
        for one in ("good", "crack"):
            (folder / one).mkdir()
            assert cv2.imwrite(str(folder / one / "1.png"), image)
        closed = [folder / "poke", folder / "mask"]
        for one in closed:
            one.mkdir(mode=0)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(65534)
            part, tested = find_training_part(folder), find_test_part(folder)
        finally:
            if root:
                os.seteuid(0)
            for one in closed:
                one.chmod(0o700)
    assert (part.layout, names(part)) == ("good, beside crack", ["1.png"])
    assert labels(tested, folder) == {"good/1.png": False, "crack/1.png": True}
    assert tested.omitted == [f"{folder}: 2 folders can't be read, and what is there is left out: mask, poke"]
