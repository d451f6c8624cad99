from __future__ import annotations

from pathlib import Path

import pytest
from softcore_export.data.dataset import FEWEST, TrainingImages, find_category
from softcore_runtime import DataError, UsageError

from .image_files import fill, numbered


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (["pill/train/good", "pill/test/good", "pill/ground_truth"], "pill/train/good"),  # MVTec AD
        (["pill/train", "pill/test"], "pill/train"),
        (["pill"], "pill"),
        (["pill/monday", "pill/tuesday"], "pill"),
    ],
)
def test_where_the_training_images_are(tmp_path: Path, made: list[str], found: str) -> None:
    for folder in made:
        fill(tmp_path / folder, numbered(FEWEST))
    assert TrainingImages.find(find_category(tmp_path, "pill")).folder == tmp_path / found


def test_the_root_itself_where_it_holds_images(tmp_path: Path) -> None:
    fill(tmp_path, ["a.PNG"])
    (tmp_path / "notes").mkdir()
    assert find_category(tmp_path, "pill") == tmp_path
    (tmp_path / "pill").mkdir()
    assert find_category(tmp_path, "pill") == tmp_path / "pill"


@pytest.mark.parametrize("there", ["test", "ground_truth"])
def test_test_images_are_never_learned(tmp_path: Path, there: str) -> None:
    fill(tmp_path / "pill" / there / "broken", numbered(20))
    with pytest.raises(UsageError, match=r"pill/train/good: no such folder"):
        TrainingImages.find(find_category(tmp_path, "pill"))


def test_a_missing_category_names_those_that_are_there(tmp_path: Path) -> None:
    for name in ("screw", "cable", ".cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "readme.txt").touch()
    with pytest.raises(UsageError, match=r"/pill: no such folder; there are: cable, screw$"):
        find_category(tmp_path, "pill")


def test_the_nearest_category_is_named(tmp_path: Path) -> None:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError) as caught:
        find_category(tmp_path, "smal")
    said = f"{tmp_path / 'smal'}: no such folder; did you mean small?; there are: large, small"
    assert str(caught.value) == said


def test_nothing_there_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"/pill: no such folder, and nothing else is there"):
        find_category(tmp_path, "pill")
    for root in (tmp_path / "nowhere", tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match=rf"{root.name}: no such folder; name with --data DIR the one"):
            find_category(root, "pill")


@pytest.mark.parametrize(("n", "said"), [(0, "no image,"), (1, "1 image,"), (3, "3 images,")])
def test_too_few_images_are_no_data(tmp_path: Path, n: int, said: str) -> None:
    fill(tmp_path, numbered(n))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=rf"{said} at least {FEWEST} are needed"):
        TrainingImages.find(tmp_path)
    fill(tmp_path, numbered(FEWEST))
    assert len(TrainingImages.find(tmp_path).paths) == FEWEST


def test_max_images_takes_the_first_by_name(tmp_path: Path) -> None:
    fill(tmp_path, numbered(20)[::-1])
    assert [path.name for path in TrainingImages.find(tmp_path, 9).paths] == numbered(9)
    assert len(TrainingImages.find(tmp_path, 99).paths) == 20


def test_what_is_left_out_of_the_folder_is_told(tmp_path: Path) -> None:
    fill(tmp_path, numbered(8))
    assert TrainingImages.find(tmp_path).omitted == ()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    said = f"{tmp_path}: 1 symbolic link leads nowhere and is left out: gone.png"
    assert TrainingImages.find(tmp_path).omitted == (said,)
    (tmp_path / "000.png").unlink()
    with pytest.raises(DataError) as caught:
        TrainingImages.find(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: 7 images, at least 8 are needed (bmp, jfif, jpeg, jpg, png, tif, tiff, webp); "
        "1 symbolic link leads nowhere and is left out: gone.png"
    )
