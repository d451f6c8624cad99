from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from softcore_calibration.cli.command import main as calibrate
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.cli.command import main
from softcore_edge_app.configuration.options import ArchiveOptions
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Change, Ledger
from softcore_edge_app.outputs.archive import Archive
from softcore_edge_app.outputs.archive_record import IMAGE, SIDECAR, Kept
from softcore_runtime import Decision, read_image
from softcore_runtime.bundle.bundle import read_manifest

Capsys = pytest.CaptureFixture[str]
GOOD, BAD = 24, 6
NOW = time.time_ns()  # an archive keeps nothing for years


def make_part(number: int, image: np.ndarray | None, category: str = "tiny") -> PublishedDecision:
    entry = DecisionRecord(
        trigger=f"run-{number}", part=f"p{number}", name="x", camera="../up", category=category,
        bundle="ab" * 32, decision=Decision.FAIL, score=13.0, bound="exact", threshold=12.0, fail_above=12.0,
        engine="e", provider="p", precision="fp32", triggered_at=NOW + number, deadline_at=None,
        decided_at=NOW + number, milliseconds=1.0, reason=None,
    )  # fmt: skip
    frame = Frame(number, "x", image) if image is not None else Frame(number, "x", reason="none")
    return PublishedDecision(entry, frame, None)


@pytest.fixture
def line(tmp_path: Path, good_frame: np.ndarray, bad_frame: np.ndarray) -> Path:
    """A ledger, and an archive beside it, of 24 parts marked good and 6 marked bad, and one that isn't."""
    rng = np.random.default_rng(0)
    frames = [good_frame] * GOOD + [bad_frame] * BAD + [good_frame]
    noisy = [np.clip(f + rng.integers(-4, 5, f.shape), 0, 255).astype(np.uint8) for f in frames]
    parts = [make_part(number, image) for number, image in enumerate(noisy, 1)]
    archive = Archive(ArchiveOptions(folder=tmp_path / "archive"))
    for part in parts:
        archive.keep(part)
    archive.close(60)
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        ledger.append_all([part.record for part in parts])
        for number in range(1, GOOD + BAD + 1):
            mark = "good" if number <= GOOD else "bad"
            for one in ("good", "bad", None, mark):
                ledger.note(Change("mark", "../up", f"run-{number}", None, one, "page"))
        ledger.note(Change("mark", "../up", f"run-{len(parts)}", None, "bad", "page"))
        ledger.note(Change("mark", "../up", f"run-{len(parts)}", "bad", None, "page"))
        ledger.note(Change("mark", "../up", "of another ledger", None, "bad", "page"))
    return tmp_path / "line.ledger"


def export(line: Path, *more: object) -> int:
    out, archive = line.with_name("labelled"), line.with_name("archive")
    return main(
        ["ledger", "labels", str(line), "--archive", str(archive), "--out", str(out), *map(str, more)]
    )


def test_what_was_marked_is_what_calibrate_reads(line: Path, tiny_bundle: Path, capsys: Capsys) -> None:
    assert export(line) == 0
    out = line.with_name("labelled")
    assert capsys.readouterr().err == f"24 good and 6 bad in {out}\n"
    assert sorted(path.name for path in out.iterdir()) == ["bad", "good"]
    assert [len([*(out / mark).glob("*.png")]) for mark in ("good", "bad")] == [GOOD, BAD]
    for file in (out / "good").iterdir():
        (there,) = line.with_name("archive").rglob(file.name)
        assert there.read_bytes() == file.read_bytes()
        assert read_image(file).shape == (48, 48, 3)
    told = ["--good", str(out / "good"), "--bad", str(out / "bad"), "--max-overkill", "0.05", "--accept"]
    assert calibrate([str(tiny_bundle), *told]) == 0, capsys.readouterr().err
    threshold = read_manifest(tiny_bundle).threshold
    assert threshold.calibration
    assert threshold.calibration.escape
    assert (threshold.calibration.overkill.parts, threshold.calibration.escape.parts) == (GOOD, BAD)


def test_a_image_that_is_not_what_was_decided_on_is_left_out(line: Path, capsys: Capsys) -> None:
    archive = line.with_name("archive")
    files = [Kept.place(make_part(number, None).record) for number in range(1, 5)]
    with files[0].file(archive, IMAGE).open("r+b") as image:
        image.seek(200)
        image.write(b"x")
    files[1].file(archive, IMAGE).unlink()
    files[2].file(archive, SIDECAR).unlink()
    sidecar = files[3].file(archive, SIDECAR)
    sidecar.write_text(sidecar.read_text().replace('"score": 13.0', '"score": 12.5'))
    assert export(line) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"20 good and 6 bad in {line.with_name('labelled')}",
        "run-1: its image was changed",
        "run-2: No such file or directory",
        "run-3: No such file or directory",
        "run-4: its sidecar says otherwise than the ledger",
    ]


def test_parts_without_a_image_are_named(line: Path, capsys: Capsys) -> None:
    part = make_part(99, None)
    archive = Archive(ArchiveOptions(folder=line.with_name("archive")))
    archive.keep(part)
    archive.close(60)
    with Ledger.open(line) as ledger:
        ledger.append(part.record)
        ledger.note(Change("mark", "../up", "run-99", None, "bad", "page"))
    assert export(line) == 0
    assert "run-99: no image was taken of it\n" in capsys.readouterr().err


def test_parts_of_several_categories_are_told_apart(line: Path, capsys: Capsys) -> None:
    with Ledger.open(line) as ledger:
        ledger.append(replace(make_part(99, None).record, category="cap"))
        ledger.note(Change("mark", "../up", "run-99", None, "bad", "page"))
    assert export(line) == 2
    assert capsys.readouterr().err.endswith("marked parts are of cap, tiny; choose one with --category\n")
    assert export(line, "--category", "none") == 2
    assert "no part of none is marked" in capsys.readouterr().err
    assert export(line, "--category", "tiny") == 0


def test_nothing_is_mixed_with_what_is_there(line: Path, capsys: Capsys) -> None:
    assert export(line) == 0
    assert export(line) == 2
    assert "is not empty; marks may have changed since" in capsys.readouterr().err
    assert main(["ledger", "labels", str(line), "--archive", str(line.with_name("none")), "--out", "x"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_an_archive_that_has_none_of_them(line: Path, capsys: Capsys) -> None:
    line.with_name("archive").rename(line.with_name("elsewhere"))
    line.with_name("archive").mkdir()
    assert export(line) == 2
    assert "has an image of none of the 30 marked parts (run-1: No such file" in capsys.readouterr().err
    assert not line.with_name("labelled").exists()


def test_a_ledger_without_marks(tmp_path: Path, capsys: Capsys) -> None:
    Ledger.open(tmp_path / "line.ledger").close()
    (tmp_path / "archive").mkdir()
    assert export(tmp_path / "line.ledger") == 2
    assert "no part is marked good or bad" in capsys.readouterr().err
