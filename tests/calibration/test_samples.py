from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_calibration.samples import Sample, find_samples, read_labelled_folder
from softcore_runtime.errors import DataError, PictureError, UsageError


def read(*places: tuple[Path, bool | None]) -> list[Sample]:
    count, samples = find_samples(places)
    found = list(samples)
    assert count == len(found)
    return found


def test_a_folder_a_picture_and_a_category(category: Path) -> None:
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
    assert read_labelled_folder(category / "test") == [(good, False), (bad, True)]


def test_a_video_is_its_frames(recordings: Path) -> None:
    found = read((recordings / "pill.avi", True))
    assert len(found) > 1
    assert [sample.name for sample in found[:2]] == [f"{recordings / 'pill.avi'}#{n}" for n in (1, 2)]
    assert len({sample.digest for sample in found}) == len(found)
    assert all(sample.defective and sample.read().ndim == 3 for sample in found)


@pytest.mark.parametrize("start", ["", "\ufeff"])  # a spreadsheet's CSV begins with a mark
def test_a_table_says_itself_what_is_good(category: Path, start: str) -> None:
    table = category / "labels.csv"
    rows = [
        "label,part,path",
        "good,1,test/good/000.png",
        "NG,2,test/spot/000.png",
        '"ok",3,"test/good/001.png"',
    ]
    table.write_text(start + "\n".join(rows) + "\n", encoding="utf-8")
    try:
        assert [s.defective for s in read((table, None))] == [False, True, False]
        assert [s.path.name for s in read((table, False))] == ["000.png", "001.png"]
        assert [s.path.name for s in read((table, True))] == ["000.png"]
    finally:
        table.unlink()


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("file,label\na.png,good\n", UsageError, "needs the columns path and label, has no path"),
        ("", UsageError, "has no label and no path"),
        ("path,label\na.png,maybe\n", UsageError, "line 2: the label must be good or bad, not 'maybe'"),
        ("path,label\n,good\n", UsageError, "line 2"),
        ("path,label\n", DataError, "no pictures in this table"),
        ("path,label\na.png,good\x00\n", UsageError, "labels.csv"),
    ],
)
def test_a_table_that_says_something_else_is_refused(
    tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(error, match=said):
        find_samples([(table, None)])


def test_a_table_of_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00path")
    with pytest.raises(UsageError, match="not a table in CSV"):
        find_samples([(tmp_path / "labels.csv", None)])


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no pictures here"):
        find_samples([(tmp_path / "empty", True)])
    with pytest.raises(UsageError, match="gone: no such file or folder"):
        find_samples([(tmp_path / "gone", True)])
    with pytest.raises(UsageError, match="needs pictures in test/good"):
        find_samples([(tmp_path / "empty", None)])
    (tmp_path / "a.png").touch()
    with pytest.raises(UsageError, match="--data takes a folder in MVTec AD's layout, or a table"):
        find_samples([(tmp_path / "a.png", None)])


def test_what_cannot_be_read_is_a_sample_that_says_so(tmp_path: Path) -> None:
    for name in ("a.png", "a.avi"):
        (tmp_path / name).write_text("text")
    found = read((tmp_path / "a.png", False), (tmp_path / "a.avi", False))
    for sample, said in zip(
        found, ["not a picture, or a damaged one", "neither a picture nor a video"], strict=True
    ):
        with pytest.raises(PictureError, match=said):
            sample.read()


def test_a_file_of_a_table_that_is_gone_is_a_sample_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\ngone.png,good\n")
    (found,) = read((tmp_path / "labels.csv", None))
    assert found.digest == ""
    with pytest.raises(PictureError, match=r"gone\.png: can't be read \(No such file"):
        found.read()
