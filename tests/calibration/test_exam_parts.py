from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_calibration import exam_parts
from softcore_calibration.cli.command import main
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import open_cache
from softcore_calibration.data.scoring import Scoring, score_samples
from softcore_calibration.exam_parts import add_exam_parts
from softcore_runtime import Inspector, read_bundle, read_image
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.exam.exam import read_exam
from softcore_runtime.exam.places import places_path, read_places
from softcore_runtime.regular_file import hash_file

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def own(category: Path, tmp_path: Path) -> Path:
    """The category's test images, to be renamed at will."""
    return Path(shutil.copytree(category / "test", tmp_path / "own"))


def score(bundle: Path, good: Path | None, bad: Path | None) -> Scoring:
    places = [(place, kind) for place, kind in ((good, False), (bad, True)) if place]
    inspector = Inspector.load(bundle)
    with open_cache(inspector, None) as cache:
        return score_samples(inspector, find_samples(places), cache)


def test_a_calibration_adds_what_it_has_scored(tiny_bundle: Path, own: Path, capsys: Capture) -> None:
    command = [str(tiny_bundle), "--good", str(own / "good"), "--bad", str(own / "spot"), "--accept"]
    command += ["--max-overkill", "0.05"]
    assert main([*command, "--dry-run"]) == 0
    assert read_exam(tiny_bundle).parts == ()
    assert main(command) == 0
    assert "  exam       64 parts, 64 of them new\n" in capsys.readouterr().out
    exam, inspector = read_exam(tiny_bundle), Inspector.load(tiny_bundle)
    files = {hash_file(file): file for file in own.rglob("*.png")}
    assert {part.sha256 for part in exam.parts} == {*files}
    for part, thumbnail in zip(exam.parts, exam.thumbnails, strict=True):
        file = files[part.sha256]
        result = inspector.inspect(read_image(file))
        assert (part.score, part.decision) == (result.score, str(result.decision))
        assert part.threshold == inspector.manifest.threshold.value
        assert part.label == ("bad" if file.parent.name == "spot" else "good")
        assert part.name == f"{file.parent.name}/{file.name}"
        assert part.bytes == file.stat().st_size
        np.testing.assert_array_equal(thumbnail, cv2.imread(str(file)))  # which has 48 pixels
    assert {*read_places(tiny_bundle)} == {own / "good", own / "spot"}
    read_bundle(tiny_bundle)
    assert main(command) == 0
    assert "  exam       64 parts, 0 of them new\n" in capsys.readouterr().out
    assert main([str(tiny_bundle), "--revert"]) == 0
    assert len(read_exam(tiny_bundle).parts) == 64


def test_the_latest_label_counts_and_the_change_is_told(tiny_bundle: Path, own: Path) -> None:
    manifest = read_manifest(tiny_bundle)
    add_exam_parts(tiny_bundle, manifest, score(tiny_bundle, own / "good", None))
    said = add_exam_parts(tiny_bundle, manifest, score(tiny_bundle, None, own / "good"))
    assert said[0] == "40 parts, 0 of them new"
    assert said[1].startswith(
        "warning: 40 parts of the exam had another label before, and the latest counts: "
    )
    assert said[1].endswith(" and 35 more")
    assert {part.label for part in read_exam(tiny_bundle).parts} == {"bad"}
    (own / "one").mkdir()
    (own / "good" / "000.png").rename(own / "one" / "renamed.png")
    said = add_exam_parts(tiny_bundle, manifest, score(tiny_bundle, own / "one", None))
    assert said[1] == (
        "warning: 1 part of the exam had another label before, and the latest counts: one/renamed.png"
    )


def test_frames_of_a_video_are_no_parts(tiny_bundle: Path, recordings: Path) -> None:
    scoring = score(tiny_bundle, recordings / "pill.avi", None)
    said = add_exam_parts(tiny_bundle, read_manifest(tiny_bundle), scoring)
    assert said == [
        "0 parts, 0 of them new",
        f"{len(scoring.good)} frames of videos aren't taken into it",
    ]


def test_without_images_nothing_is_written(tiny_bundle: Path) -> None:
    assert add_exam_parts(tiny_bundle, read_manifest(tiny_bundle), Scoring()) == []
    assert not (tiny_bundle / "exam").exists()


def test_an_exam_that_cannot_be_written_is_told_and_harms_nothing(
    tiny_bundle: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring = score(tiny_bundle, own / "good", None)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device", "exam.json")

    with monkeypatch.context() as patch:
        patch.setattr(exam_parts, "write_exam", refuse)
        said = add_exam_parts(tiny_bundle, read_manifest(tiny_bundle), scoring)
    assert said == ["warning: the exam isn't kept up: exam.json: No space left on device"]
    (tiny_bundle / "exam").mkdir()
    (tiny_bundle / "exam" / "exam.json").write_text("{")
    (said,) = add_exam_parts(tiny_bundle, read_manifest(tiny_bundle), scoring)
    assert said.startswith("warning: the exam isn't kept up: ")
    assert "not an exam" in said
    assert not places_path(tiny_bundle).exists()
    read_bundle(tiny_bundle)


def test_an_image_that_is_gone_meanwhile_is_left_out(tiny_bundle: Path, own: Path) -> None:
    scoring = score(tiny_bundle, own / "good", None)
    (own / "good" / "000.png").unlink()
    add_exam_parts(tiny_bundle, read_manifest(tiny_bundle), scoring)
    assert len(read_exam(tiny_bundle).parts) == 39
