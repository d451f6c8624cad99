from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from softcore_export.exam import marked_parts
from softcore_export.exam.marked_parts import find_images, gather_parts
from softcore_export.export import PreparedExport
from softcore_runtime.exam.exam import Exam, ExamPart, write_exam
from softcore_runtime.exam.places import add_places
from softcore_runtime.regular_file import hash_file

GREY = np.zeros((48, 48, 3), np.uint8)


def record(file: Path, label: str) -> ExamPart:
    return ExamPart.model_validate(
        {
            "sha256": hash_file(file), "bytes": file.stat().st_size, "name": file.name, "label": label,
            "marked": "calibration", "training": False, "score": 1.0, "threshold": 2.0, "decision": "PASS",
            "exported": datetime(2026, 1, 1, tzinfo=timezone.utc),
        }
    )  # fmt: skip


@pytest.fixture
def marked(labelled_discs: Path, tmp_path: Path) -> Path:
    """A folder with labelled images, to be moved at will."""
    return Path(shutil.copytree(labelled_discs, tmp_path / "marked"))


def test_parts_come_from_the_exam_and_from_what_is_confirmed(
    prepared: PreparedExport, marked: Path, target: Path
) -> None:
    known, gone, turned, fresh = (marked / "spot" / f"{number}.png" for number in range(4))
    target.mkdir()
    parts = [record(known, "bad"), record(gone, "bad"), record(turned, "good")]
    write_exam(target, Exam().add(parts, [GREY] * 3))
    add_places(target, [marked / "spot"])
    gone.unlink()
    images = replace(
        prepared.images,
        confirmed=frozenset([prepared.images.digests[3], "f" * 64]),
        defects=(turned, fresh),
    )
    found = gather_parts(target, images)
    assert [(part.name, part.label, part.path) for part in found.parts] == [
        ("0.png", "bad", known),
        ("1.png", "bad", None),
        ("2.png", "bad", turned),
        (f"{prepared.images.folder.name}/{prepared.images.paths[3].name}", "good", prepared.images.paths[3]),
        ("spot/3.png", "bad", fresh),
    ]
    assert [part.relabelled for part in found.parts] == [False, False, True, False, False]
    assert found.places == [marked / "spot", prepared.images.folder]


def test_without_an_exam_and_without_marks_there_is_nothing(prepared: PreparedExport, target: Path) -> None:
    assert not gather_parts(target, prepared.images)


def test_a_renamed_image_is_found_by_its_content(marked: Path) -> None:
    file = marked / "spot" / "5.png"
    wanted = {hash_file(file): file.stat().st_size}
    moved = file.rename(marked / "good" / "renamed.png")
    assert find_images(wanted, [marked / "spot", marked / "none", marked / "good"]) == {
        hash_file(moved): moved
    }
    assert find_images(wanted, [marked / "spot"]) == {}


def test_only_images_of_a_wanted_size_are_read(marked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = marked / "spot" / "5.png"
    wanted = {hash_file(file): file.stat().st_size}
    read = []

    def note(path: Path) -> str:
        read.append(path)
        return hash_file(path)

    monkeypatch.setattr(marked_parts, "hash_file", note)
    shutil.copyfile(file, marked / "spot" / "5.txt")
    same_size = [path for path in (marked / "spot").glob("*.png") if path.stat().st_size in wanted.values()]
    find_images(wanted, [marked / "spot"])
    assert sorted(read) == sorted(same_size)
    assert len(read) < 8


def test_what_cannot_be_read_is_not_found(marked: Path) -> None:
    file = marked / "spot" / "5.png"
    wanted = {hash_file(file): file.stat().st_size}
    file.unlink()
    file.symlink_to(file)  # in a circle
    assert find_images(wanted, [marked / "spot"]) == {}
