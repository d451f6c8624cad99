from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from softcore_runtime import Inspector
from softcore_runtime.bundle.bundle import read_bundle, read_manifest, record_files
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.exam import exam as module
from softcore_runtime.exam.exam import Exam, ExamPart, draw_exam_thumbnail, name_part, read_exam, write_exam

WHEN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def make_part(number: int, label: str = "good", **changes: object) -> ExamPart:
    known = {
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(), "bytes": 100 + number,
        "name": f"{number}.png", "label": label, "marked": "export", "training": False,
        "score": number / 2, "threshold": 3.0, "decision": "PASS", "exported": WHEN,
    }  # fmt: skip
    return ExamPart.model_validate({**known, **changes})


def make_exam(count: int, label: str = "good") -> Exam:
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 48, 48, 3), np.uint8)
    return Exam().add([make_part(number, label) for number in range(count)], list(images))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    exam = make_exam(5)
    write_exam(tmp_path, exam)
    read = read_exam(tmp_path)
    assert read.parts == exam.parts
    np.testing.assert_array_equal(read.thumbnails, exam.thumbnails)
    write_exam(tmp_path, make_exam(2))  # what is replaced is deleted
    assert len(read_exam(tmp_path).parts) == 2
    assert len(list((tmp_path / "exam").iterdir())) == 2


def test_the_seal_of_a_bundle_does_not_change_with_its_exam(tiny_bundle: Path) -> None:
    before = read_manifest(tiny_bundle), Inspector.load(tiny_bundle).seal
    write_exam(tiny_bundle, make_exam(3))
    assert read_bundle(tiny_bundle).manifest == before[0]
    assert Inspector.load(tiny_bundle).seal == before[1]
    assert record_files(tiny_bundle) == before[0].files


def test_a_bundle_without_an_exam_has_an_empty_one(tiny_bundle: Path, tmp_path: Path) -> None:
    assert read_exam(tiny_bundle).parts == ()
    assert read_exam(tmp_path / "none").thumbnails.shape == (0, 48, 48, 3)


def test_a_part_that_is_there_takes_its_place() -> None:
    exam = make_exam(3)
    grey = np.full((48, 48, 3), 99, np.uint8)
    again = exam.add([make_part(1, "bad"), make_part(7)], [grey, grey])
    assert [part.name for part in again.parts] == ["0.png", "1.png", "2.png", "7.png"]
    assert [part.label for part in again.parts] == ["good", "bad", "good", "good"]
    assert again.thumbnails[:, 0, 0, 0].tolist() == [0, 99, 2, 99]
    assert again.find(make_part(1).sha256) == make_part(1, "bad")
    assert again.find("0" * 64) is None


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 6))
def test_of_too_many_the_bad_and_the_latest_stay(bad: list[bool], most: int) -> None:
    parts = [make_part(number, "bad" if is_bad else "good") for number, is_bad in enumerate(bad)]
    images = [np.full((48, 48, 3), number, np.uint8) for number in range(len(bad))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_PARTS", most)
        kept = Exam().add(parts, images)
    # Leave out one after the other: the earliest good one, or else the earliest bad one.
    expected = list(range(len(bad)))
    while len(expected) > most:
        expected.remove(next((row for row in expected if not bad[row]), expected[0]))
    assert [part.name for part in kept.parts] == [f"{row}.png" for row in expected]
    assert kept.thumbnails[:, 0, 0, 0].tolist() == expected


def test_thumbnails_must_be_those_of_the_parts() -> None:
    with pytest.raises(ValueError, match=r"thumbnails must be uint8 \[1, 48, 48, 3\]"):
        Exam((make_part(1),), np.zeros((2, 48, 48, 3), np.uint8))


@pytest.mark.parametrize("size", [(96, 48), (48, 96), (4000, 8), (9, 9)])
def test_a_thumbnail_shows_the_whole_frame(size: tuple[int, int]) -> None:
    frame = np.zeros((*size, 3), np.uint8)
    frame[: size[0] // 2] = 255
    small = draw_exam_thumbnail(frame)
    shown = (small != 128).any(axis=(0, 2)), (small != 128).any(axis=(1, 2))
    width, height = (int(some.sum()) for some in shown)
    assert max(width, height) == 48
    assert height / width == pytest.approx(size[0] / size[1], rel=0.1) or min(width, height) == 1
    assert small.shape == (48, 48, 3)


def test_names_hold_no_paths(tmp_path: Path) -> None:
    assert name_part(tmp_path / "bad" / "03.png") == "bad/03.png"
    assert name_part(Path("/03.png")) == "03.png"
    assert name_part(Path("bad") / ("x" * 250 + "\udcfc" * 20 + ".png")).isprintable()
    assert len(name_part(Path("y" * 200) / ("x" * 200))) == 300


@pytest.mark.parametrize(
    "changes",
    [
        {"score": None},
        {"decision": "INVALID"},
        {"label": "perhaps"},
        {"score": float("nan")},
        {"score": -1.0},
        {"threshold": 0.0},
        {"sha256": "A" * 64},
        {"path": "/home/somebody/03.png"},
        {"name": "x" * 301},
    ],
)
def test_a_part_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_part(1, **changes)


def spoil_json(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / "exam.json").read_text())
        (folder / "exam.json").write_text(json.dumps(change(document) or document))

    return spoil


def spoil_pixels(folder: Path) -> None:
    file = next(folder.glob("*.npy"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


def take_other_pixels(folder: Path) -> None:
    """Thumbnails of another shape whose hash the exam names."""
    stream = io.BytesIO()
    np.save(stream, np.zeros((3, 4, 4, 3), np.uint8))
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    (folder / f"thumbnails-{digest[:16]}.npy").write_bytes(stream.getvalue())
    spoil_json(lambda document: document.update(thumbnails=digest))(folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "exam.json").write_bytes(b"{"), "not an exam"),
        (lambda folder: (folder / "exam.json").write_bytes(b"[" * 100_000), "not an exam"),
        (lambda folder: (folder / "exam.json").write_bytes(b'{"version": 1, "version": 1}'), "comes twice"),
        (spoil_json(lambda document: document.update(version=2)), "not an exam"),
        (spoil_json(lambda document: document.update(paths=[])), "not an exam"),
        (spoil_json(lambda document: document.update(parts=[*document["parts"]] * 2)), "a part comes twice"),  # type: ignore[misc]
        (lambda folder: os.truncate(folder / "exam.json", 2**30), "larger than"),
        (lambda folder: next(folder.glob("*.npy")).unlink(), "the exam can't be read"),
        (lambda folder: os.truncate(next(folder.glob("*.npy")), 2**33), "larger than"),
        (spoil_pixels, "changed since it was written"),
        (take_other_pixels, "thumbnails must be uint8"),
    ],
)
def test_a_damaged_exam_is_refused(tmp_path: Path, spoil: Callable[[Path], object], said: str) -> None:
    write_exam(tmp_path, make_exam(3))
    spoil(tmp_path / "exam")
    with pytest.raises(BundleCorruptError, match=said):
        read_exam(tmp_path)


def test_a_killed_writer_leaves_the_old_exam_or_the_new(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from test_exam import make_exam, write_exam\n"
        "exams = [make_exam(count) for count in (3, 40)]\n"
        "print('in', flush=True)\n"
        "while True:\n    [write_exam(Path(sys.argv[1]), exam) for exam in exams]"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    for wait in (0.0, 0.01, 0.033):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            writer.stdout.readline()
            while not (tmp_path / "exam" / "exam.json").exists():
                time.sleep(0.01)
            time.sleep(wait)
            for _ in range(20):  # a reader beside the writer finds one of the two, too
                assert len(read_exam(tmp_path).parts) in (3, 40)
            writer.send_signal(signal.SIGKILL)
        assert len(read_exam(tmp_path).parts) in (3, 40)
    write_exam(tmp_path, make_exam(1))
    assert len(list((tmp_path / "exam").iterdir())) == 2
