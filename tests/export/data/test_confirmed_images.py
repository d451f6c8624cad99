from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from softcore_export.contamination.choices import Choice, Choices
from softcore_export.data.confirmed_images import ConfirmedImages, find_confirmed
from softcore_export.data.dataset import FEWEST, TrainingImages
from softcore_export.data.training_set import TrainingScan
from softcore_runtime import DataError, Preprocessing, UsageError
from softcore_runtime.regular_file import hash_file

from .image_files import fill, numbered


def test_confirmed_images_from_folders_a_table_and_a_single_file(tmp_path: Path) -> None:
    good = fill(tmp_path / "new", ["a.png", "b.png"])
    bad = fill(tmp_path / "defects", ["c.png"])
    fill(tmp_path / "more", ["d.png", "e.png"])
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nmore/d.png,good\nmore/e.png,bad\n")
    found = find_confirmed([good], [bad / "c.png"], [table])
    assert found.good == (good / "a.png", good / "b.png", tmp_path / "more" / "d.png")
    assert found.bad == (bad / "c.png", tmp_path / "more" / "e.png")
    assert found.digests == {path: hash_file(path) for path in (*found.good, *found.bad)}
    assert found.describe() == ["3 good and 2 bad images that a person has confirmed"]
    assert (bool(found), bool(ConfirmedImages()), ConfirmedImages().describe()) == (True, False, [])


def test_a_folder_of_labels_in_a_known_layout(tmp_path: Path) -> None:
    fill(tmp_path / "good", ["a.png"])
    fill(tmp_path / "bad", ["b.png"])
    found = find_confirmed(labels=[tmp_path])
    assert (found.good, found.bad) == ((tmp_path / "good" / "a.png",), (tmp_path / "bad" / "b.png",))


def test_one_content_counts_once_and_has_one_label(tmp_path: Path) -> None:
    good, bad = fill(tmp_path / "good", ["a.png"]), fill(tmp_path / "bad", ["b.png"])
    shutil.copy(good / "a.png", good / "a again.png")
    found = find_confirmed([good], [bad])
    assert (len(found.good), found.repeated) == (1, 1)
    assert found.describe()[1].startswith("warning: 1 more with the content of one of them")
    shutil.copy(good / "a.png", bad / "a.png")
    with pytest.raises(UsageError, match=r"a.*\.png is given as good, .*bad/a\.png as bad, and both"):
        find_confirmed([good], [bad])
    with pytest.raises(UsageError, match=r"is given as good"):  # also where the two are swapped
        find_confirmed([bad], [good])


def test_images_that_are_gone_are_counted_and_named(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    table = tmp_path / "labels.csv"
    table.write_text("path,label\na.png,good\nlost.png,bad\nlost too.png,bad\n")
    found = find_confirmed(labels=[table])
    assert len(found.good) == 1
    reason = "(No such file or directory)"
    assert found.omitted == (
        f"2 confirmed images can't be read and are left out: {tmp_path / 'lost.png'} {reason}",
    )
    table.write_text("path,label\nlost.png,bad\n")
    with pytest.raises(DataError, match=r"none of 1 confirmed images can be read; the first is .*lost\.png"):
        find_confirmed(labels=[table])


@pytest.mark.parametrize("option", ["good", "bad", "labels"])
def test_a_place_without_images_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with pytest.raises(UsageError, match=rf"^--{option} .*nowhere: no such file or folder"):
        find_confirmed(**{option: [tmp_path / "nowhere"]})
    (tmp_path / "empty").mkdir()
    with pytest.raises((DataError, UsageError), match=rf"^--{option} .*empty"):
        find_confirmed(**{option: [tmp_path / "empty"]})


def test_confirmed_images_join_the_training_images_or_leave_them(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pill", numbered(FEWEST + 1))
    images = TrainingImages.find(folder)
    new, bad = fill(tmp_path / "new", ["new.png"]), tmp_path / "bad"
    shutil.copy(folder / "000.png", new / "known already.png")
    bad.mkdir()
    shutil.copy(folder / "001.png", bad / "defect.png")
    joined = images.confirm(find_confirmed([new], [bad]))
    assert [path.name for path in joined.paths] == [
        name for name in (*numbered(FEWEST + 1), "new.png") if name != "001.png"
    ]
    assert joined.omitted == ("1 training image is confirmed as defective and is left out: 001.png",)
    scan = TrainingScan(joined, Preprocessing(resize=32, crop=32))
    assert len(list(scan)) == FEWEST + 1
    learned = scan.finish()
    assert learned.names[-1] == "../new/new.png"
    assert learned.confirmed == {hash_file(new / "new.png"), hash_file(folder / "000.png")}
    assert learned.defects == (bad / "defect.png",)


def test_too_few_images_without_the_defective_ones(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pill", numbered(FEWEST))
    confirmed = find_confirmed(bad=[folder / "003.png"])
    with pytest.raises(DataError, match=r"7 images without those confirmed as defective, at least 8"):
        TrainingImages.find(folder).confirm(confirmed)


def test_confirmed_images_are_kept_and_marked_patches_stay_marked() -> None:
    first, second, third = ("0" * 64, "1" * 64, "2" * 64)
    marked = Choice(action="exclude patches", grid=(2, 2), patches=((0, 1),))
    choices = Choices(images={first: Choice(action="exclude"), second: marked})
    confirmed = choices.confirm([first, second, third])
    assert {digest: choice.action for digest, choice in confirmed.images.items()} == {
        first: "keep", second: "exclude patches", third: "keep",
    }  # fmt: skip
    assert choices.confirm([]) is choices
