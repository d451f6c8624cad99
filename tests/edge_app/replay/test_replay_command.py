from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.cli.command import main
from softcore_edge_app.configuration.options import ArchiveOptions
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.outputs.archive import Archive
from softcore_edge_app.outputs.archive_record import IMAGE, OVERLAY, SIDECAR, Kept
from softcore_runtime import Inspector
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold_change import set_threshold
from softcore_runtime.bundle.training import read_training

from ..records import decide

Capsys = pytest.CaptureFixture[str]
NOW = 1_795_594_530 * 10**9


@pytest.fixture
def parts(
    tiny_bundle: Path,
    tmp_path: Path,
    good_frame: np.ndarray,
    bad_frame: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Kept]:
    """Six decisions in `line.ledger`, all but the last in `archive`: PASS, FAIL, dark, none, late, PASS."""
    monkeypatch.chdir(tmp_path)
    inspector, checks = Inspector.load(tiny_bundle), FrameChecks(read_training(tiny_bundle))
    images = [good_frame, bad_frame, np.zeros_like(good_frame), None, good_frame, good_frame]
    archive = Archive(ArchiveOptions(folder=tmp_path / "archive", pass_share=1))
    seal = json.loads((tiny_bundle / "manifest.json").read_bytes())["seal"]
    parts = []
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        for number, image in enumerate(images, 1):
            reason = "no new frame for 2 s" if image is None else None
            frame = Frame(number, f"left#{number}", image=image, reason=reason)
            late = {"decision": "INVALID", "score": None, "bound": None, "reason": "late: by 0.1 s"}
            changes = late if number == 5 else {}
            at = NOW + number * 10**9
            made = decide(inspector, frame, f"run-{number}", at, checks=checks, bundle=seal)
            made = replace(made, record=replace(made.record, **changes))
            ledger.append(made.record)
            if number < 6:
                archive.keep(made)
            parts.append(Kept.place(made.record))
    archive.close(60)
    assert (archive.kept, archive.dropped) == (5, 0)
    return parts


def run(capsys: Capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["replay", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, re.sub(r"^replay  .*\n", "", err, flags=re.MULTILINE)  # how long it took


SAME = "3 the same, 2 of them to the last bit of the score; 0 different; 2 not replayed\n"
REMARKS = [
    "1 times the decision alone was compared: no exact score was recorded",
    "1 times not replayed: there was no image",
    "1 times not replayed: INVALID for what no image shows",
]


@pytest.mark.usefixtures("parts")
def test_an_archive_comes_out_the_same(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "archive" / "notes.txt").write_text("mine")
    code, out, err = run(capsys, "archive")
    assert (code, out) == (0, "")
    assert err == f"5 recorded decisions: {SAME}" + "".join(f"{remark}\n" for remark in REMARKS)


@pytest.mark.usefixtures("parts")
def test_a_ledger_comes_out_the_same(capsys: Capsys) -> None:
    code, out, err = run(capsys, "line.ledger", "--archive", "archive", "--bundle", "tiny", "--threads", 1)
    assert (code, out) == (0, "")
    assert err.startswith(f"5 recorded decisions: {SAME}")
    assert err.endswith("1 more decisions of the ledger have no record in the archive\n")


@pytest.mark.usefixtures("parts")
def test_a_threshold_set_since_changes_nothing(tiny_bundle: Path, capsys: Capsys) -> None:
    manifest = read_manifest(tiny_bundle)
    set_threshold(tiny_bundle, manifest.threshold.model_copy(update={"value": 200.0}), manifest)
    code, _, err = run(capsys, "archive")
    assert code == 0
    assert SAME in err
    assert read_manifest(tiny_bundle).threshold.value == 200.0


def test_each_difference_is_a_line(parts: list[Kept], tmp_path: Path, capsys: Capsys) -> None:
    folder = tmp_path / "archive"
    cv2.imwrite(str(parts[0].file(folder, IMAGE)), np.full((48, 48, 3), 9, np.uint8))
    sidecar = parts[1].file(folder, SIDECAR)
    sidecar.write_text(sidecar.read_text().replace('"decision": "FAIL"', '"decision": "PASS"'))
    parts[2].file(folder, SIDECAR).write_text("{")
    code, out, err = run(capsys, "archive")
    assert code == 3
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0] == f"{parts[0].path}.json: its image was changed"
    assert lines[1].startswith(f"{parts[1].path}.json: PASS then (")
    assert ", FAIL now (" in lines[1]
    assert lines[2].startswith(f"{parts[2].path}.json: no sidecar of this SoftCore's (")
    assert "0 the same, 0 of them to the last bit of the score; 3 different; 2 not replayed" in err


def test_a_sidecar_is_held_to_the_ledger(parts: list[Kept], tmp_path: Path, capsys: Capsys) -> None:
    sidecar = parts[1].file(tmp_path / "archive", SIDECAR)
    sidecar.write_text(sidecar.read_text().replace('"name": "left#2"', '"name": "left#3"'))
    assert run(capsys, "archive")[0] == 0  # it decides nothing
    code, out, _ = run(capsys, "line.ledger", "--archive", "archive")
    assert code == 3
    assert out == f"{parts[1].path}.json: the sidecar says name 'left#3', which the ledger doesn't\n"


def test_json_gives_every_record(parts: list[Kept], capsys: Capsys) -> None:
    code, out, _ = run(capsys, "archive", "--json")
    assert code == 0
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["record"] for one in told] == [f"{kept.path}.json" for kept in parts[:5]]
    assert [one["outcome"] for one in told] == [
        "same score", "same score", "same decision", "not replayed", "not replayed",
    ]  # fmt: skip
    assert [one["decision"] for one in told] == ["PASS", "FAIL", "INVALID", "INVALID", "INVALID"]
    assert told[1]["score"] == told[1]["score_now"] > 12
    assert told[3]["decision_now"] is None


def test_what_was_never_finished_is_left_out(parts: list[Kept], tmp_path: Path, capsys: Capsys) -> None:
    folder = tmp_path / "archive"
    parts[0].file(folder, SIDECAR).unlink()
    parts[1].file(folder, OVERLAY).unlink()  # nobody needs it
    code, out, err = run(capsys, "archive")
    assert (code, out) == (0, "")
    assert err.startswith("4 recorded decisions: 2 the same")


def test_nothing_to_compare_is_exit_3(parts: list[Kept], tmp_path: Path, capsys: Capsys) -> None:
    for kept in parts[:3]:
        kept.file(tmp_path / "archive", SIDECAR).unlink()
    assert run(capsys, "archive")[::2] == (
        3,
        "2 recorded decisions: 0 the same, 0 of them to the last bit of the score; 0 different; "
        "2 not replayed\n" + "".join(f"{remark}\n" for remark in REMARKS[1:]) + "nothing could be compared\n",
    )
    (tmp_path / "empty").mkdir()
    code, _, err = run(capsys, "empty")
    assert code == 3
    assert err.startswith("0 recorded decisions")


def test_the_bundle_may_be_away_or_damaged(parts: list[Kept], tiny_bundle: Path, capsys: Capsys) -> None:
    assert parts
    (tiny_bundle.parent / "odd").mkdir()
    (tiny_bundle.parent / "odd" / "manifest.json").write_text("{}")
    code, _, err = run(capsys, "archive")  # another one's damage is no matter
    assert code == 0
    assert err.startswith("softcore-edge replay: warning: bundles/odd/manifest.json: ")
    (tiny_bundle / "bank.npy").write_bytes(b"")
    code, _, err = run(capsys, "archive")
    assert code == 3
    assert "bundles/tiny/bank.npy: 0 bytes, the manifest says" in err
    (tiny_bundle / "manifest.json").unlink()
    code, _, err = run(capsys, "archive")
    assert code == 2
    assert "no bundle under bundles/ here: name those that decided with --bundle" in err
    assert run(capsys, "archive", "--bundle", "tiny")[0] == 3


@pytest.mark.usefixtures("parts")
def test_a_damaged_ledger_is_not_replayed(tmp_path: Path, capsys: Capsys) -> None:
    ledger = tmp_path / "line.ledger"
    ledger.write_bytes(ledger.read_bytes().replace(b"run-2", b"run-9", 1))
    code, out, err = run(capsys, "line.ledger", "--archive", "archive")
    assert (code, out) == (3, "")
    assert "line.ledger: row 2 was changed" in err
    assert err.endswith("nothing was replayed\n")


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such ledger or folder"),
        (["line.ledger"], "line.ledger: a ledger needs --archive DIR"),
        (["line.ledger", "--archive", "nowhere"], "line.ledger: a ledger needs --archive DIR"),
        (["archive", "--archive", "archive"], "--archive is for a ledger; archive is a folder"),
        (["archive", "--bundle", "nowhere"], "nowhere: no bundle here"),
        (["archive", "--threads", "0"], "--threads"),
    ],
)
def test_mistakes_are_one_line(capsys: Capsys, arguments: list[str], words: str) -> None:
    try:
        code = main(["replay", *arguments])
    except SystemExit as end:
        code = int(str(end.code))
    out, err = capsys.readouterr()
    assert code in (2, 3)
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_words_of_foreigners_do_not_reach_the_terminal(
    parts: list[Kept], tmp_path: Path, capsys: Capsys
) -> None:
    sidecar = parts[1].file(tmp_path / "archive", SIDECAR)
    text = sidecar.read_text().replace('"category": "tiny"', '"category": "\\u001b[2J"')
    sidecar.write_text(text.replace('"bundle": "', '"bundle": "0'))
    _, out, err = run(capsys, "archive")
    assert "\x1b" not in out + err
    assert "\\x1b[2J" in err
