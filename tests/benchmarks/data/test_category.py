from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks.data.category import Category, find_categories
from softcore_runtime.errors import DataError, ImageError, UsageError
from softcore_runtime.images.preprocessing import Preprocessing

from ..conftest import BAD, GOOD, SMALL, TRAIN


def test_it_names_images_by_path_and_knows_the_bad_ones(root: Path) -> None:
    category = Category.find(root / "stripes")
    assert (len(category.train), len(category.test)) == (TRAIN, GOOD + BAD)
    assert list(category.test) == sorted(category.test)
    assert [path.parent.name != "good" for path in category.test] == category.bad.tolist()
    assert [path.parent.name for path in category.test] == category.kinds.tolist()
    assert category.has_masks
    assert not Category.find(root / "waves").has_masks


def test_max_images_takes_the_first_training_images(root: Path) -> None:
    whole, part = Category.find(root / "stripes"), Category.find(root / "stripes", max_images=5)
    assert part.train == whole.train[:5]
    assert part.test == whole.test


def test_a_mask_is_what_the_crop_shows_of_it(root: Path) -> None:
    category = Category.find(root / "stripes")
    image = category.test[-1]
    mask = category.read_mask(image, SMALL)
    source = cv2.imread(str(root / "stripes/ground_truth" / image.parent.name / f"{image.stem}_mask.png"))
    assert source is not None
    assert mask.dtype == bool
    assert mask.shape == (64, 64)
    # 80 pixels become 72, of which the middle 64 stay; the spot lies well inside.
    assert mask.sum() == pytest.approx((source[:, :, 0] > 0).sum() * 0.81, rel=0.15)
    middle = np.argwhere(source[:, :, 0] > 0).mean(axis=0) * 0.9 - 4
    np.testing.assert_allclose(np.argwhere(mask).mean(axis=0), middle, atol=1)
    good = next(path for path in category.test if path.parent.name == "good")
    assert not category.read_mask(good, SMALL).any()


def test_a_mask_may_be_named_as_its_image_and_have_another_size(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "stripes", tmp_path / "stripes")
    category = Category.find(tmp_path / "stripes")
    image = category.test[-1]
    folder = tmp_path / "stripes/ground_truth" / image.parent.name
    expected = category.read_mask(image, SMALL)
    mask = cv2.imread(str(folder / f"{image.stem}_mask.png"))
    (folder / f"{image.stem}_mask.png").unlink()
    assert cv2.imwrite(
        str(folder / f"{image.stem}.png"), np.repeat(np.repeat(np.asarray(mask), 2, axis=0), 2, axis=1)
    )
    np.testing.assert_array_equal(category.read_mask(image, SMALL), expected)
    (folder / f"{image.stem}.png").unlink()
    with pytest.raises(ImageError, match=f"{image.stem}_mask.png"):
        category.read_mask(image, Preprocessing())


def test_a_category_needs_all_three_kinds_of_images(root: Path, tmp_path: Path) -> None:
    for gone, word in (("train", "train"), ("test/good", "test"), ("test/hole", None)):
        folder = tmp_path / gone.replace("/", "-")
        shutil.copytree(root / "waves", folder)
        shutil.rmtree(folder / gone)
        if word is None:
            assert len(Category.find(folder).test) == GOOD + BAD // 2
        else:
            with pytest.raises(DataError, match=word):
                Category.find(folder)


def test_categories_are_found_in_the_layout(root: Path, tmp_path: Path) -> None:
    assert [path.name for path in find_categories(root)] == ["stripes", "waves"]
    assert [path.name for path in find_categories(root, ["waves"])] == ["waves"]
    with pytest.raises(UsageError, match="no such category; there are: stripes, waves"):
        find_categories(root, ["pill"])
    with pytest.raises(UsageError, match="no category in MVTec AD's layout"):
        find_categories(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        find_categories(tmp_path / "none")
