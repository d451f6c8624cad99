from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_calibration.data.samples import Sample, find_samples
from softcore_runtime.errors import DataError, ImageError, UsageError


def read(*places: tuple[Path, bool | None]) -> list[Sample]:
    samples = find_samples(places)
    found = list(samples)
    assert samples.count == len(found)
    return found


def test_a_folder_an_image_and_a_category(category: Path) -> None:
    good, bad = category / "test" / "good", category / "test" / "spot"
    found = read((good, False), (bad / "000.png", True))
    assert [sample.defective for sample in found] == [False] * 40 + [True]
    first = found[0]
    assert first.path == good / "000.png"
    assert first.digest == hashlib.sha256(first.path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(first.read(), cv2.imread(str(first.path)))
    whole = read((category, None))
    assert sum(sample.defective for sample in whole) == 24
    assert len(whole) == 64
    assert [sample.path for sample in read((category / "test", None))] == [sample.path for sample in whole]
    assert list(find_samples([(category, None)]).layouts) == [
        f"40 good and 24 bad images in {category / 'test'} (MVTec AD's layout)"
    ]


def test_a_video_is_its_frames(recordings: Path) -> None:
    found = read((recordings / "pill.avi", True))
    assert len(found) > 1
    assert [sample.name for sample in found[:2]] == [f"{recordings / 'pill.avi'}#{n}" for n in (1, 2)]
    assert len({sample.digest for sample in found}) == len(found)
    assert all(sample.defective and sample.read().ndim == 3 for sample in found)


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no images here"):
        find_samples([(tmp_path / "empty", True)])
    with pytest.raises(UsageError, match="gone: no such file or folder"):
        find_samples([(tmp_path / "gone", True)])
    with pytest.raises(UsageError, match="needs good images in test/good"):
        find_samples([(tmp_path / "empty", None)])
    (tmp_path / "a.png").touch()
    with pytest.raises(UsageError, match="--data takes a folder in a known layout"):
        find_samples([(tmp_path / "a.png", None)])


def test_what_cannot_be_read_is_a_sample_that_says_so(tmp_path: Path) -> None:
    for name in ("a.png", "a.avi"):
        (tmp_path / name).write_text("text")
    (tmp_path / "labels.csv").write_text("path,label\na.png,good\na.avi,good\n")
    found = read((tmp_path / "labels.csv", None))
    for sample, said in zip(
        found, ["not an image, or a damaged one", "neither an image nor a video"], strict=True
    ):
        with pytest.raises(ImageError, match=said):
            sample.read()


def test_a_file_that_is_named_by_itself_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("text")
    with pytest.raises(UsageError, match=r"readme\.txt: neither an image nor a video that OpenCV can read"):
        find_samples([(tmp_path / "readme.txt", False)])


def test_the_nearest_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    with pytest.raises(UsageError) as caught:
        find_samples([(tmp_path / "smal", None)])
    assert str(caught.value) == f"{tmp_path / 'smal'}: no such file or folder; did you mean small?"
    with pytest.raises(UsageError, match=r"nowhere/smal: no such file or folder$"):
        find_samples([(tmp_path / "nowhere" / "smal", None)])


def test_each_kind_is_counted_before_it_is_read(category: Path, recordings: Path, tmp_path: Path) -> None:
    samples = find_samples([(category, None)])
    assert (samples.count, samples.count_kind(False), samples.count_kind(True)) == (64, 40, 24)
    video = find_samples([(recordings / "pill.avi", True), (category / "test" / "good", False)])
    frames = sum(sample.defective for sample in video)
    assert frames > 1
    assert (video.count_kind(False), video.count_kind(True)) == (40, frames)
    (tmp_path / "table.csv").write_text(f"path,label\n{recordings / 'pill.avi'},bad\ngone.avi,good\n")
    table = find_samples([(tmp_path / "table.csv", None)])
    assert (table.count, table.count_kind(False), table.count_kind(True)) == (frames + 1, None, frames)
    assert find_samples([]).count_kind(False) == 0


def test_what_is_left_out_is_told(category: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(category, tmp_path / "own"))
    (own / "test" / "good" / "gone.png").symlink_to("nowhere.png")
    (own / "test" / "scratch").mkdir()  # with nothing in it that could be taken
    (own / "test" / "scratch" / "1.gif").touch()
    shutil.copy(own / "test" / "good" / "000.png", own / "test" / "loose.png")
    samples = find_samples([(own, None)])
    assert samples.count == 64
    assert list(samples.omitted) == [
        f"{own / 'test'}: 1 symbolic link leads nowhere and is left out: good/gone.png",
        f"{own / 'test'}: 1 image of a kind that is not read is left out (.gif): scratch/1.gif; convert "
        "it to .png",
        f"{own / 'test'}: 1 image is in no folder that says good or bad, and left out: loose.png",
    ]
    (line,) = find_samples([(own / "test" / "good", False)]).omitted
    assert line.endswith("good: 1 symbolic link leads nowhere and is left out: gone.png")
    with pytest.raises(
        DataError, match=r"scratch: no images here \(.*\); 1 image of a kind that is not read"
    ):
        find_samples([(own / "test" / "scratch", True)])


def test_a_file_of_a_table_that_is_gone_is_a_sample_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\ngone.png,good\n")
    (found,) = read((tmp_path / "labels.csv", None))
    assert found.digest == ""
    with pytest.raises(ImageError, match=r"gone\.png: can't be read \(No such file"):
        found.read()
