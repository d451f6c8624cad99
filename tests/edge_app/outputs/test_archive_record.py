from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.outputs.archive_record import (
    IMAGE,
    SIDECAR,
    Kept,
    list_kept,
    read_sidecar,
    remove_files,
    write_sidecar,
)
from softcore_runtime import Decision

MOMENT = 1_795_594_530_123_456_789  # 2026-11-25, 08:15:30.123456789 UTC
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def entry(trigger: str = "run-1", camera: str = "left", at: int = MOMENT) -> DecisionRecord:
    return DecisionRecord(
        trigger=trigger,
        part="part 7",
        name="left#1",
        camera=camera,
        category="pill",
        bundle="ab" * 32,
        decision=Decision.FAIL,
        score=1.25,
        bound="exact",
        threshold=1.0,
        fail_above=1.0,
        engine="onnxruntime",
        provider="CPUExecutionProvider",
        precision="fp32",
        triggered_at=at,
        deadline_at=None,
        decided_at=at,
        milliseconds=20.5,
        reason=None,
    )


def test_a_part_lies_under_its_day_and_camera(tmp_path: Path) -> None:
    kept = Kept.place(entry())
    name = tmp_path / "2026-11-25/left/08-15-30.123456_run-1_FAIL.png"
    assert kept.file(tmp_path, IMAGE) == name
    assert kept.moment == "2026-11-25/08-15-30.123456"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../etc/passwd", "/dev/video0", "a\nb\0c", "日本", "x" * 300]
)
def test_whatever_things_are_called_their_files_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    kept = Kept.place(entry(trigger=name, camera=name))
    file = kept.file(tmp_path, SIDECAR)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    assert file.resolve().relative_to(tmp_path.resolve()).parts[0] == "2026-11-25"
    assert len(file.relative_to(tmp_path).parts) == 3
    assert [*next(list_kept(tmp_path))] == [kept]


@given(camera=TEXTS, trigger=TEXTS, at=INT64)
def test_names_come_back_and_are_told_apart(camera: str, trigger: str, at: int) -> None:
    kept = Kept.place(entry(trigger, camera, at))
    day, folder, name = kept.path.split("/")
    assert kept.moment == f"{day}/{name[:15]}"
    assert len(name) < 200
    assert folder not in ("", ".", "..")
    other = Kept.place(entry(trigger, camera + "/", at)), Kept.place(entry(trigger + "\n", camera, at))
    assert kept.path not in (other[0].path, other[1].path)


@given(early=INT64, late=INT64)
def test_moments_sort_as_times(early: int, late: int) -> None:
    first, second = Kept.place(entry(at=early)), Kept.place(entry(at=late))
    if early // 1000 != late // 1000:
        assert (first < second) == (early < late)


@given(score=FLOATS, at=INT64, name=TEXTS, reason=st.none() | TEXTS)
def test_a_sidecar_gives_back_the_entry_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, score: float, at: int, name: str, reason: str | None
) -> None:
    whole = DecisionRecord(**{**vars(entry(at=at // 2)), "score": score, "name": name, "reason": reason})
    file = tmp_path_factory.mktemp("sidecar") / "x.json"
    file.write_bytes(write_sidecar(whole, None, None))
    record = read_sidecar(file)
    assert record.record == whole
    assert np.float64(record.record.score or 0).tobytes() == np.float64(whole.score or 0).tobytes()
    assert record.image is None


def test_a_sidecar_says_what_the_image_is(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(write_sidecar(entry(), (48, 64, 3), b"the image"))
    told = json.loads(file.read_bytes())
    digest = hashlib.sha256(b"the image").hexdigest()
    assert told["picture"] == {"sha256": digest, "height": 48, "width": 64}
    assert (told["format"], told["entry"]["decision"]) == (1, "FAIL")
    assert told["softcore"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"format": 1', '"format": 2', "format"),
        ('"decision": "FAIL"', '"decision": "GOOD"', "entry.decision"),
        ('"score": 1.25', '"score": "1.25"', "entry.score"),
        ('"score": 1.25', '"score": NaN', "entry"),
        ('"part"', '"parts"', "entry"),
        ('"height": 48', '"height": 0', "picture.height"),
        ("}\n", "", ""),
    ],
)
def test_another_file_is_no_sidecar(tmp_path: Path, old: str, new: str, place: str) -> None:
    file = tmp_path / "x.json"
    text = write_sidecar(entry(), (48, 64, 3), b"the image").decode()
    assert old in text
    file.write_text(text[::-1].replace(old[::-1], new[::-1], 1)[::-1])
    with pytest.raises(ValueError, match=rf"x\.json: no sidecar of this SoftCore's \({place}") as caught:
        read_sidecar(file)
    assert "\n" not in str(caught.value)


def test_foreign_files_and_links_are_passed_over(tmp_path: Path) -> None:
    kept = Kept.place(entry())
    file = kept.file(tmp_path, IMAGE)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 5000)
    for foreign in ("notes.txt", "2026-11-25/notes.txt", "2026-11-25/left/mine.png", "old/left/08.png"):
        (tmp_path / foreign).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / foreign).write_bytes(b"mine")
    (tmp_path / "2026-11-26").symlink_to(tmp_path / "2026-11-25")
    (file.parent / "08-15-30.123456_run-2_FAIL.png").symlink_to(file)
    (file.parent / "08-15-30.123456_run-3_FAIL.png").mkdir()
    assert list(list_kept(tmp_path)) == [{kept: 8192}]
    remove_files(tmp_path, kept)
    assert not file.exists()
    assert (tmp_path / "2026-11-25/left/mine.png").read_bytes() == b"mine"


def test_a_folder_that_is_empty_goes_too(tmp_path: Path) -> None:
    kept = Kept.place(entry())
    kept.file(tmp_path, SIDECAR).parent.mkdir(parents=True)
    kept.file(tmp_path, SIDECAR).write_bytes(b"")
    remove_files(tmp_path, kept)
    assert list(tmp_path.iterdir()) == []
