from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.data.training_set import TrainingSet
from softcore_export.exam.marked_parts import MarkedParts, gather_parts
from softcore_export.exam.outcome import ExamOutcome
from softcore_export.exam.sitting import sit_exam
from softcore_export.export import Export
from softcore_runtime import Decision, FrameError, Inspector, read_image
from softcore_runtime.exam.exam import Exam, write_exam
from softcore_runtime.exam.places import add_places

from .conftest import Mark


def sit(target: Path, marked: MarkedParts, inspector: Inspector, **alone: float) -> ExamOutcome:
    return sit_exam(target, marked, inspector, alone, inspector.bundle.preprocessing)


def test_scores_are_those_of_an_inspection(
    exported: Export, mark: Mark, small_parts: dict[str, list[Path]], tmp_path: Path
) -> None:
    inspector = Inspector.load(exported.path)
    outcome = sit(tmp_path / "none", gather_parts(tmp_path / "none", mark(bad=small_parts["bad"])), inspector)
    for part, path in zip(outcome.judged, small_parts["bad"], strict=True):
        result = inspector.inspect(read_image(path))
        assert part.new.score == result.score
        assert part.new.decision is result.decision
        assert part.old is None
    assert outcome.old is None
    records = outcome.exam.parts
    assert [record.score for record in records] == [part.new.score for part in outcome.judged]
    assert {(record.label, record.marked, record.training) for record in records} == {
        ("bad", "export", False)
    }
    assert {record.threshold for record in records} == {inspector.manifest.threshold.value}
    assert {record.exported for record in records} == {inspector.manifest.created}
    assert [record.bytes for record in records] == [path.stat().st_size for path in small_parts["bad"]]


def test_the_same_bundle_twice_changes_nothing(outcome: ExamOutcome) -> None:
    assert len(outcome.compared) == 8
    assert all(part.old == part.new for part in outcome.judged)
    assert outcome.lost == outcome.gained == ()
    assert outcome.old == outcome.new
    assert outcome.matched == outcome.old_matched
    assert outcome.note == ""


def test_a_good_training_image_is_judged_without_its_own_entries(exported: Export, mark: Mark) -> None:
    path = exported.images[3]
    images = mark(good=[path])
    alone = dict(zip(images.digests, exported.scores.tolist(), strict=True))
    inspector = Inspector.load(exported.path)
    marked = gather_parts(exported.path, images)
    outcome = sit_exam(exported.path, marked, inspector, alone, inspector.bundle.preprocessing)
    (part,) = outcome.judged
    assert part.new.alone
    assert part.new.score == exported.scores[3]
    assert part.new.score > inspector.inspect(read_image(path)).score  # which its own entries excuse
    assert part.old is None  # the bundle had learned it, and didn't note how it would judge it otherwise
    assert outcome.exam.parts[0].training


def test_what_a_bundle_noted_of_its_own_training_image_counts(
    bundles: Path, exported: Export, mark: Mark
) -> None:
    images = mark(good=[exported.images[3]])
    alone = dict(zip(images.digests, exported.scores.tolist(), strict=True))
    inspector = Inspector.load(bundles / "disc")
    preprocessing = inspector.bundle.preprocessing
    first = sit_exam(
        bundles / "disc", gather_parts(bundles / "disc", images), inspector, alone, preprocessing
    )
    write_exam(bundles / "disc", first.exam)
    again = sit_exam(
        bundles / "disc", gather_parts(bundles / "disc", images), inspector, alone, preprocessing
    )
    (part,) = again.judged
    assert part.old == part.new


def test_parts_that_are_gone_keep_their_place(
    bundles: Path, mark: Mark, small_parts: dict[str, list[Path]], tmp_path: Path
) -> None:
    shutil.copytree(small_parts["bad"][0].parent, tmp_path / "bad")
    files = [tmp_path / "bad" / path.name for path in small_parts["bad"]]
    inspector = Inspector.load(bundles / "disc")
    before = sit(bundles / "disc", gather_parts(bundles / "disc", mark(bad=files)), inspector)
    write_exam(bundles / "disc", before.exam)
    add_places(bundles / "disc", [tmp_path / "bad"])
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes() + b"\0")  # another content
    outcome = sit(bundles / "disc", gather_parts(bundles / "disc", mark()), inspector)
    assert outcome.missing == ("bad/4.png", "bad/5.png")
    assert [part.name for part in outcome.judged] == ["bad/6.png", "bad/7.png"]
    assert outcome.exam.parts == before.exam.parts
    np.testing.assert_array_equal(outcome.exam.thumbnails, before.exam.thumbnails)


def test_the_latest_mark_counts_and_is_told(
    bundles: Path, mark: Mark, small_parts: dict[str, list[Path]]
) -> None:
    inspector = Inspector.load(bundles / "disc")
    before = sit(bundles / "disc", gather_parts(bundles / "disc", mark(bad=small_parts["bad"])), inspector)
    parts = [part.model_copy(update={"label": "good"}) for part in before.exam.parts]
    write_exam(bundles / "disc", Exam().add(parts, list(before.exam.thumbnails)))
    outcome = sit(
        bundles / "disc", gather_parts(bundles / "disc", mark(bad=small_parts["bad"][:2])), inspector
    )
    assert outcome.relabelled == ("spot/4.png", "spot/5.png")
    assert [part.label for part in outcome.exam.parts] == ["bad", "bad", "good", "good"]


def test_an_image_that_cannot_be_read_is_named(
    exported: Export, mark: Mark, small_parts: dict[str, list[Path]], tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.png").write_bytes(b"no image")
    images = replace(mark(), defects=(tmp_path / "broken" / "x.png", small_parts["bad"][0]))
    outcome = sit(exported.path, gather_parts(tmp_path / "none", images), Inspector.load(exported.path))
    assert len(outcome.unread) == 1
    assert outcome.unread[0].startswith("broken/x.png: ")
    assert str(tmp_path) not in outcome.unread[0]
    assert [part.name for part in outcome.exam.parts] == ["spot/4.png"]


def test_a_frame_that_cannot_be_inspected_is_invalid(
    exported: Export, mark: Mark, small_parts: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise FrameError("misplaced")

    inspector = Inspector.load(exported.path)
    monkeypatch.setattr(Inspector, "inspect", refuse)
    outcome = sit(exported.path, gather_parts(exported.path, mark(bad=small_parts["bad"])), inspector)
    assert {part.new.decision for part in outcome.judged} == {Decision.INVALID}
    assert {part.new.score for part in outcome.judged} == {math.inf}
    assert {part.score for part in outcome.exam.parts} == {None}


def test_an_old_bundle_that_cannot_be_loaded_counts_by_its_records(
    bundles: Path, mark: Mark, small_parts: dict[str, list[Path]]
) -> None:
    inspector = Inspector.load(bundles / "disc")
    images: TrainingSet = mark(bad=small_parts["bad"])
    before = sit(bundles / "disc", gather_parts(bundles / "disc", images), inspector)
    parts = [part.model_copy(update={"score": 123.0, "decision": "FAIL"}) for part in before.exam.parts]
    write_exam(bundles / "disc", Exam().add(parts, list(before.exam.thumbnails)))
    (bundles / "disc" / "bank.npy").write_bytes(b"damaged")
    outcome = sit(bundles / "disc", gather_parts(bundles / "disc", images), inspector)
    assert {part.old.score for part in outcome.judged if part.old} == {123.0}
    assert "bank.npy" in outcome.note
    assert len(outcome.compared) == 4


def test_thumbnails_show_the_parts(outcome: ExamOutcome, small_parts: dict[str, list[Path]]) -> None:
    seen = cv2.imread(str(small_parts["bad"][0]))
    expected = cv2.resize(seen, (48, 48), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(outcome.judged[4].thumbnail, expected)
