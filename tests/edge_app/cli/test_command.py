from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from softcore_edge_app.cli.command import build_parser, main
from softcore_edge_app.configuration.options import CameraOptions
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_edge_app.pipeline import assembly, ledger_writer
from softcore_edge_app.pipeline import recipes as recipes_module
from softcore_runtime import (
    Decision,
    Inspector,
    LedgerError,
    SourceError,
    UsageError,
    read_bundle,
    read_image,
)
from softcore_runtime.bundle import bundle, threshold_change
from softcore_runtime.bundle.threshold import Threshold

COMMAND = str(Path(sys.executable).with_name("softcore-edge"))
Capsys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _away_from_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("SOFTCORE_BUNDLE", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def parts(tmp_path: Path, good_frame: np.ndarray, bad_frame: np.ndarray) -> Path:
    """A folder with a good part, a bad one, and every kind of image that can't be inspected."""
    folder = tmp_path / "parts"
    (folder / "scratch").mkdir(parents=True)
    good, bad = (cv2.imencode(".png", frame)[1].tobytes() for frame in (good_frame, bad_frame))
    (folder / "a_good.png").write_bytes(good)
    (folder / "b_cut_off.png").write_bytes(good[: len(good) // 2])
    (folder / "c_text.png").write_text("this is no image")
    (folder / "d_pixel.png").write_bytes(cv2.imencode(".png", good_frame[:1, :1])[1].tobytes())
    (folder / "notes.txt").write_text("not looked at")
    (folder / "scratch" / "bad.png").write_bytes(bad)
    return folder


@pytest.fixture
def video(tmp_path: Path, good_frame: np.ndarray, bad_frame: np.ndarray) -> Path:
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 48))
    for number in range(6):
        writer.write(bad_frame if number == 3 else good_frame)
    writer.release()
    return path


def decisions(output: str) -> list[tuple[str, str]]:
    return [(fields["name"], fields["decision"]) for fields in map(json.loads, output.splitlines())]


def one_line(capsys: Capsys) -> str:
    """What was said on standard error, which must be one line, with nothing on standard output."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("softcore-edge: ")
    assert err.count("\n") == 1
    return err


def without_time(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in output.splitlines()]
    for fields in lines:
        del fields["milliseconds"]
    return lines


def test_every_image_gets_its_line(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(parts)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["1", "PASS"], ["2", "INVALID"], ["3", "INVALID"], ["4", "INVALID"], ["5", "FAIL"],
    ]  # fmt: skip
    score = Inspector.load(tiny_bundle).inspect(read_image(parts / "scratch/bad.png")).score
    assert f"{score / 12:.3f} x threshold" in lines[4]
    assert f"score {score:9.4f}" in lines[4]
    assert re.search(r"\d\.\d ms  scratch/bad.png$", lines[4])
    assert "c_text.png: not an image" in lines[2]
    assert "d_pixel.png: a frame of 1 x 1 pixels is too small" in lines[3]
    assert "5 frames: 1 PASS, 1 FAIL, 3 INVALID" in err
    assert re.search(r"[\d.]+ ms \(p50\), [\d.]+ ms \(p95\), [\d.]+ ms \(max\); [\d.]+ frames/s", err)
    assert f"the threshold is provisional: run softcore-calibrate {tiny_bundle}" in err
    assert "overlay" not in err


def test_json_is_all_that_is_on_standard_output(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(parts), "--json", "--save-overlays", "out"]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(fields["frame"], fields["decision"]) for fields in lines] == [
        (1, "PASS"), (2, "INVALID"), (3, "INVALID"), (4, "INVALID"), (5, "FAIL"),
    ]  # fmt: skip
    inspector = Inspector.load(tiny_bundle)
    for fields in (lines[0], lines[4]):
        score = inspector.inspect(read_image(parts / fields["name"])).score
        assert (fields["score"], fields["threshold"], fields["share"]) == (score, 12, score / 12)
        assert fields["milliseconds"] > 0
    assert lines[4]["overlay"] == "out/000005_scratch_bad_FAIL.png"
    assert [bool(fields["reason"]) for fields in lines] == [False, True, True, True, False]
    assert "5 frames" in err


def test_overlays_of_the_decided_frames_are_saved(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(parts), "--save-overlays", "new/out"]) == 0
    assert sorted(path.name for path in Path("new/out").iterdir()) == [
        "000001_a_good_PASS.png", "000005_scratch_bad_FAIL.png",
    ]  # fmt: skip
    assert read_image(Path("new/out/000005_scratch_bad_FAIL.png")).shape[1] == 640
    assert "2 overlays in new/out" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_but_not_the_decision(
    tiny_bundle: Path, parts: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("softcore_runtime.atomic_file.os.write", fill_disk)
    arguments = [str(tiny_bundle), "--source", str(parts), "--save-overlays", "out", "--json"]
    assert main(arguments) == 3
    out, err = capsys.readouterr()
    assert decisions(out) == [("a_good.png", "PASS")]
    assert json.loads(out)["overlay"] is None
    assert err.splitlines()[-1] == "softcore-edge: out/000001_a_good_PASS.png: No space left on device"


def test_overlays_need_a_folder(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    Path("out").touch()
    assert main([str(tiny_bundle), "--source", str(parts), "--save-overlays", "out"]) == 2
    assert "--save-overlays out" in one_line(capsys)


def test_overlays_stay_out_of_the_source(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(parts), "--save-overlays", f"{parts}/out"]) == 2
    assert "lies in --source" in one_line(capsys)
    assert not (parts / "out").exists()


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_a_replay_is_the_same_to_the_bit(
    tiny_bundle: Path, parts: Path, video: Path, capsys: Capsys, kind: str
) -> None:
    source = str(parts if kind == "folder" else video)
    runs = []
    for threads in ("1", "2"):
        assert main([str(tiny_bundle), "--source", source, "--json", "--threads", threads]) == 0
        runs.append(without_time(capsys.readouterr().out))
    assert runs[0] == runs[1]
    assert len(runs[0]) == (5 if kind == "folder" else 6)


def test_a_single_image_and_a_video_are_sources(
    tiny_bundle: Path, parts: Path, video: Path, capsys: Capsys
) -> None:
    assert main([str(tiny_bundle), "--source", str(parts / "scratch/bad.png"), "--json"]) == 0
    assert decisions(capsys.readouterr().out) == [("bad.png", "FAIL")]
    assert main([str(tiny_bundle), "--source", str(video), "--json"]) == 0
    expected = [(f"line.avi#{number}", "FAIL" if number == 4 else "PASS") for number in range(1, 7)]
    assert decisions(capsys.readouterr().out) == expected


@pytest.fixture
def shades(tmp_path: Path, good_frame: np.ndarray, bad_frame: np.ndarray) -> Path:
    """A folder of parts: good ones in three lights, bad ones with one spot and with many."""
    folder = tmp_path / "shades"
    folder.mkdir()
    frames = [good_frame, good_frame - 9, good_frame + 9, bad_frame, bad_frame[::-1], 255 - good_frame]
    for number, frame in enumerate(frames):
        assert cv2.imwrite(str(folder / f"{number}.png"), frame)
    return folder


def test_fast_only_decides(tiny_bundle: Path, shades: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(shades), "--json"]) == 0
    slow = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main([str(tiny_bundle), "--source", str(shades), "--json", "--fast"]) == 0
    fast = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {fields["bound"] for fields in slow} == {"exact"}
    assert {fields["decision"] for fields in slow} == {"PASS", "FAIL"}
    for one, other in zip(slow, fast, strict=True):
        assert list(one) == list(other)
        assert (one["decision"], one["name"]) == (other["decision"], other["name"])
        settled = one["certified_by_hint"] + one["by_hnsw"] + one["exact"]
        assert settled == 64 if one["decision"] == "PASS" else settled <= 64
        assert other["exact"] <= one["exact"]
        if other["bound"] == "upper":
            assert one["score"] <= other["score"] <= 12
        elif other["bound"] == "lower":
            assert 12 < other["score"] <= one["score"]
        else:
            assert other["score"] == one["score"]
    assert {"upper", "lower"} <= {fields["bound"] for fields in fast}


def test_fast_marks_bounds_in_its_lines(tiny_bundle: Path, shades: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(shades), "--json", "--fast"]) == 0
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main([str(tiny_bundle), "--source", str(shades), "--fast"]) == 0
    out, err = capsys.readouterr()
    signs = {"upper": "<=", "lower": ">=", "exact": "  "}
    for line, fields in zip(out.splitlines(), expected, strict=True):
        assert f"{fields['decision']}     {signs[fields['bound']]}{fields['share']:7.3f} x threshold" in line
    assert "<=" in out
    assert ">=" in out
    passed = sum(fields["decision"] == "PASS" for fields in expected)
    assert f"6 frames: {passed} PASS, {6 - passed} FAIL, 0 INVALID" in err


def test_fast_has_no_overlays_to_save(tiny_bundle: Path, shades: Path, capsys: Capsys) -> None:
    arguments = ["--source", str(shades), "--fast", "--save-overlays", "out"]
    assert main([str(tiny_bundle), *arguments]) == 2
    assert "--fast draws no maps" in one_line(capsys)
    assert not Path("out").exists()


def test_the_engine_can_be_chosen(tiny_bundle: Path, shades: Path, capsys: Capsys) -> None:
    """The bundle was learned with ONNX Runtime, and decides the same with OpenVINO, which is remarked on."""
    runs = {}
    for options in ([], ["--engine", "auto"], ["--engine", "onnxruntime"], ["--engine", "openvino"]):
        assert main([str(tiny_bundle), "--source", str(shades), "--json", *options]) == 0
        out, err = capsys.readouterr()
        runs[" ".join(options)] = decisions(out)
        remarked = "learned with onnxruntime in fp32, here it runs with openvino in fp32: calibrate" in err
        assert remarked is (options == ["--engine", "openvino"])
    assert len({str(decided) for decided in runs.values()}) == 1
    assert {decision for _, decision in runs[""]} == {"PASS", "FAIL"}


def test_an_engine_that_is_missing_is_one_line(
    tiny_bundle: Path, shades: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert main([str(tiny_bundle), "--source", str(shades), "--engine", "openvino"]) == 2
    assert "OpenVINO is not installed; run: pip install 'softcore[openvino]'" in one_line(capsys)


def test_a_shortened_video_is_remarked_on(tiny_bundle: Path, video: Path, capsys: Capsys) -> None:
    data = video.read_bytes()
    frames = [match.start() for match in re.finditer(b"00dc", data[: data.rfind(b"idx1")])]
    video.write_bytes(data[: frames[4]])
    assert main([str(tiny_bundle), "--source", str(video)]) == 0
    assert "header promises 6 frames" in capsys.readouterr().err


def test_frames_stops_after_n(tiny_bundle: Path, video: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(video), "--frames", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "promises" not in err


class Camera:
    """Stands in for cv2.VideoCapture, since no test machine has a camera."""

    def __init__(self, images: list[np.ndarray]) -> None:
        self.images = iter(images)

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.2)  # slower than any inspection, which takes only the newest
        image = next(self.images, None)
        return image is not None, image

    def get(self, _which: int) -> float:
        return -1.0

    def __getattr__(self, _name: str) -> Callable[..., bool]:
        return lambda *_arguments: True


def test_a_camera_that_dies_leaves_its_decisions(
    tiny_bundle: Path,
    good_frame: np.ndarray,
    bad_frame: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capsys,
) -> None:
    opened = iter([[good_frame, bad_frame]])
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_arguments: Camera(next(opened, [])))
    assert main([str(tiny_bundle), "--camera", "0", "--json", "--frames", "3"]) == 0
    out, err = capsys.readouterr()
    assert decisions(out) == [("camera 0#1", "PASS"), ("camera 0#2", "FAIL"), ("camera 0#3", "INVALID")]
    assert "no new frame for 2." in json.loads(out.splitlines()[2])["reason"]
    assert "3 frames: 1 PASS, 1 FAIL, 1 INVALID" in err


@pytest.mark.parametrize("camera", ["97", "/dev/video97", "99999999999999"])
def test_an_absent_camera_is_one_line(tiny_bundle: Path, capsys: Capsys, camera: str) -> None:
    assert main([str(tiny_bundle), "--camera", camera]) == 3
    assert camera in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--source", ""], 2, "--source: needs a file"),
        (["--source", "gone.png"], 2, "no such file or folder"),
        (["--source", "text.avi"], 3, "neither a video nor an image"),
        (["--source", "text.png"], 3, None),
        (["--source", "empty"], 3, "empty: an empty folder, without images"),
        (["--source", "http://127.0.0.1:9/"], 3, "can't be opened"),
        (["--camera", "front"], 2, "takes an index"),
    ],
)
def test_sources_that_give_nothing(
    tiny_bundle: Path, capsys: Capsys, arguments: list[str], code: int, said: str | None
) -> None:
    Path("empty").mkdir()
    Path("text.avi").write_text("text")
    Path("text.png").write_text("text")
    assert main([str(tiny_bundle), *arguments]) == code
    if said:
        assert said in one_line(capsys)
    else:
        out, err = capsys.readouterr()
        assert "INVALID" in out
        assert "1 frame: 0 PASS, 0 FAIL, 1 INVALID" in err
        assert err.splitlines()[-1] == "softcore-edge: no frame could be decided: 1 INVALID"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--camera", "0", "--source", "x.png"],
        ["--source", "x.png", "--frames", "0"],
        ["--source", "x.png", "--threads", "few"],
        ["--source", "x.png", "--engine", "tensorrt"],
        ["--source", "x.png", "--unknown"],
    ],
)
def test_mistakes_on_the_command_line_exit_2(capsys: Capsys, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert one_line(capsys)


def test_without_anything_it_says_what_it_needs(capsys: Capsys) -> None:
    assert main([]) == 2
    assert one_line(capsys) == "softcore-edge: needs either camera or source (--camera, --source)\n"


def test_bundles_are_found_named_and_missed(
    tiny_bundle: Path, parts: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    source = ["--source", str(parts / "a_good.png")]
    assert main(source) == 2
    assert "softcore-export" in one_line(capsys)
    assert main(["gone", *source]) == 3
    assert "gone: no bundle here" in one_line(capsys)

    monkeypatch.chdir(tiny_bundle.parents[1])
    assert main(source) == 0
    assert main(["tiny", *source]) == 0
    shutil.copytree(tiny_bundle, tiny_bundle.with_name("twin"))
    capsys.readouterr()
    assert main(source) == 2
    assert "name one: tiny, twin" in one_line(capsys)
    monkeypatch.setenv("SOFTCORE_BUNDLE", str(tiny_bundle))
    assert main(source) == 0
    assert f"bundle {tiny_bundle}, threshold 12" in capsys.readouterr().err


def test_a_spoiled_bundle_is_refused(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    (tiny_bundle / "bank.npy").write_bytes(b"spoiled")
    assert main([str(tiny_bundle), "--source", str(parts)]) == 3
    assert "bank.npy" in one_line(capsys)


def test_a_calibrated_threshold_goes_without_the_note(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    calibrated = Threshold(value=12, provisional=False, method="by hand")
    manifest = read_bundle(tiny_bundle).manifest.model_copy(update={"threshold": calibrated})
    bundle.write_manifest(tiny_bundle, manifest)
    assert main([str(tiny_bundle), "--source", str(parts)]) == 0
    err = capsys.readouterr().err
    assert "threshold 12" in err
    assert "provisional" not in err


def test_debug_shows_the_traceback(tiny_bundle: Path) -> None:
    Path("text.avi").write_text("text")
    with pytest.raises(SourceError):
        main([str(tiny_bundle), "--source", "text.avi", "--debug"])


class Terminal(io.StringIO):
    """Standard output as a terminal's; a real one needs a mounted /dev/pts."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour_is_for_terminals_that_want_it(
    tiny_bundle: Path, parts: Path, no_color: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert main([str(tiny_bundle), "--source", str(parts / "a_good.png")]) == 0
    assert ("\x1b[32mPASS" in terminal.getvalue()) is (not no_color)
    assert "PASS" in terminal.getvalue()


def test_no_colour_in_a_file(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(parts)]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.fixture
def many_parts(tmp_path: Path, parts: Path) -> Path:
    """More images than any machine goes through before the test has stopped it."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5_000):
        (folder / f"{number:05d}.png").symlink_to(parts / "a_good.png")
    return folder


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_still_sums_up(tiny_bundle: Path, many_parts: Path, how: signal.Signals) -> None:
    command = [COMMAND, str(tiny_bundle), "--source", str(many_parts), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # comes while the run goes on, so lines are flushed
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    lines = [json.loads(line) for line in (first + out).splitlines()]
    assert 0 < len(lines) < 5_000
    # On a busy machine the inspection in progress may not end in the time that an end may take.
    stopped = [one["reason"] for one in lines if one["decision"] == "INVALID"]
    assert stopped in ([], ["the line was stopped before it was decided on"])
    passed, invalid = len(lines) - len(stopped), len(stopped)
    assert re.search(rf"^{len(lines)} frames?: {passed} PASS, 0 FAIL, {invalid} INVALID$", err, re.MULTILINE)
    assert err.splitlines()[-1] == "softcore-edge: interrupted"
    assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_fault(tiny_bundle: Path, many_parts: Path) -> None:
    command = [COMMAND, str(tiny_bundle), "--source", str(many_parts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "PASS" in process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in err
    assert "Broken" not in err


def test_the_edge_app_needs_no_training_library() -> None:
    code = """if True:
        import sys
        for name in ("torch", "torchvision", "onnx", "onnxscript", "matplotlib", "softcore_export"):
            sys.modules[name] = None
        import pkgutil, importlib, softcore_edge_app
        for module in pkgutil.walk_packages(softcore_edge_app.__path__, "softcore_edge_app."):
            importlib.import_module(module.name)
            print(module.name)
    """
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "softcore_edge_app.cli.command" in names.split()


def test_a_threshold_that_is_set_meanwhile_holds_from_the_next_frame_that_is_taken(
    tiny_bundle: Path, tmp_path: Path, bad_frame: np.ndarray, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no frame is lost over it, nor over a manifest that is broken for a while.

    While a frame is decided on the next one has been taken already.
    """
    folder = tmp_path / "bad"
    folder.mkdir()
    for number in range(10):
        cv2.imwrite(str(folder / f"{number}.png"), bad_frame)
    exported = read_bundle(tiny_bundle).manifest
    high = exported.threshold.model_copy(update={"value": 200.0, "provisional": False})
    whole = (tiny_bundle / "manifest.json").read_bytes()
    real, seen = Inspector.inspect, []

    def inspect(*given: Any, **more: Any) -> Any:
        seen.append(given)
        if len(seen) == 3:
            threshold_change.set_threshold(tiny_bundle, high, exported)
        if len(seen) == 6:
            (tiny_bundle / "manifest.json").write_bytes(b"half of it")
        if len(seen) == 8:
            (tiny_bundle / "manifest.json").write_bytes(whole)
        return real(*given, **more)

    monkeypatch.setattr(Inspector, "inspect", inspect)
    assert main([str(tiny_bundle), "--source", str(folder), "--json"]) == 0
    out, err = capsys.readouterr()
    found = [decision for _, decision in decisions(out)]
    assert (found[:3], found[4:8], found[9:]) == (["FAIL"] * 3, ["PASS"] * 4, ["FAIL"])
    assert err.splitlines()[:3] == [
        "softcore-edge: the threshold is 200 from here on",
        f"softcore-edge: warning: {tiny_bundle}/manifest.json: not a SoftCore manifest "
        "(Expecting value: line 1 column 1 (char 0))",
        "softcore-edge: the threshold is 12 from here on",
    ]


@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_between_two_thresholds_it_says_review(
    tiny_bundle: Path, parts: Path, capsys: Capsys, fast: list[str]
) -> None:
    exported = read_bundle(tiny_bundle).manifest
    zone = exported.threshold.model_copy(update={"fail_above": 200.0, "provisional": False})
    threshold_change.set_threshold(tiny_bundle, zone, exported)
    assert main([str(tiny_bundle), "--source", str(parts), "--json", *fast]) == 0
    out, err = capsys.readouterr()
    assert dict(decisions(out))["scratch/bad.png"] == "REVIEW"
    assert dict(decisions(out))["a_good.png"] == "PASS"
    assert {json.loads(line)["fail_above"] for line in out.splitlines()} == {200.0}
    assert "5 frames: 1 PASS, 1 REVIEW, 0 FAIL, 3 INVALID" in err


def test_a_image_that_no_part_looks_like_is_invalid_unless_told_otherwise(
    tiny_bundle: Path, parts: Path, good_frame: np.ndarray, capsys: Capsys
) -> None:
    cv2.imwrite(str(parts / "e_dark.png"), good_frame // 20)
    found = []
    for option in ([], ["--unchecked"]):
        assert main([str(tiny_bundle), "--source", str(parts), "--json", *option]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        found.append({line["name"]: line for line in lines})
    checked, unchecked = found
    assert checked["e_dark.png"]["decision"] == "INVALID"
    assert checked["e_dark.png"]["reason"].startswith("too dark: its mean grey level is")
    assert unchecked["e_dark.png"]["decision"] == "FAIL"
    assert checked["scratch/bad.png"]["score"] == unchecked["scratch/bad.png"]["score"]


def test_every_decision_is_in_the_ledger(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    arguments = [str(tiny_bundle), "--source", str(parts), "--json", "--ledger", "line.ledger"]
    for count in (5, 10):
        assert main(arguments) == 0
        out, err = capsys.readouterr()
        with Ledger.open(Path("line.ledger")) as ledger:
            assert f"ledger line.ledger: {count} rows, head {ledger.head}" in err.splitlines()
            entries = [row.record for row in ledger][-5:]
        for fields, entry in zip(map(json.loads, out.splitlines()), entries, strict=True):
            for name in ("trigger", "name", "decision", "score", "bound", "threshold", "fail_above",
                         "milliseconds", "reason"):  # fmt: skip
                assert getattr(entry, name) == fields[name]
            assert (entry.camera, entry.category) == (str(parts), "tiny")
            assert (entry.engine, entry.precision) == ("onnxruntime", "fp32")
            assert entry.bundle == json.loads((tiny_bundle / "manifest.json").read_text())["seal"]
            assert time.time_ns() - 60 * 10**9 < entry.triggered_at < entry.decided_at < time.time_ns()
            spent = entry.decided_at - entry.triggered_at
            assert entry.milliseconds is None or spent >= 1e6 * entry.milliseconds
    with Ledger.open(Path("line.ledger")) as ledger:
        assert len({row.record.trigger for row in ledger}) == 10
    assert main(["ledger", "verify", "line.ledger"]) == 0
    assert "10 rows, whole, closed" in capsys.readouterr().out


def test_without_a_ledger_there_is_no_trigger(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    assert main([str(tiny_bundle), "--source", str(parts), "--json"]) == 0
    assert {json.loads(line)["trigger"] for line in capsys.readouterr().out.splitlines()} == {None}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_was_published_is_in_the_ledger(
    tiny_bundle: Path, many_parts: Path, how: signal.Signals
) -> None:
    command = [COMMAND, str(tiny_bundle), "--source", str(many_parts), "--json", "--ledger", "line.ledger"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20)]
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    lines += [line for line in out.splitlines(keepends=True) if line.endswith("\n")]
    verified = verify_ledger(Path("line.ledger"))
    assert verified.fault is None
    assert verified.closed is (how is not signal.SIGKILL)
    assert (f"{verified.rows} rows, head {verified.head}" in err) is verified.closed
    with Ledger.open(Path("line.ledger")) as ledger:
        entered = {row.record.trigger: str(row.record.decision) for row in ledger}
    for fields in map(json.loads, lines):
        assert entered[fields["trigger"]] == fields["decision"]
    assert len(entered) >= len(lines)


def fill_disk(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_what_is_not_in_the_ledger_is_invalid(
    tiny_bundle: Path, tmp_path: Path, good_frame: np.ndarray, small_disk: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch, capsys: Capsys,
) -> None:  # fmt: skip
    """One alarm, not one a frame; what was INVALID is entered once the disk has room again."""
    folder, path = tmp_path / "good", small_disk(500_000) / "line.ledger"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:02}.png"), good_frame)
    ballast, real, seen = path.with_name("ballast"), recipes_module.Recipe.inspect, []

    def inspect(*given: Any, **more: Any) -> Any:
        seen.append(given)
        if len(seen) in (4, 9):
            time.sleep(0.3)  # what was decided before is entered
        if len(seen) == 4:
            fill_disk(ballast)
        if len(seen) == 9:
            ballast.unlink()
        return real(*given, **more)

    monkeypatch.setattr(recipes_module.Recipe, "inspect", inspect)
    arguments = ["--json", "--ledger", str(path), "--save-overlays", "out"]
    assert main([str(tiny_bundle), "--source", str(folder), *arguments]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    expected = ["PASS"] * 3 + ["INVALID"] * 5 + ["PASS"] * 4
    assert [fields["decision"] for fields in lines] == expected
    for fields in lines[3:8]:
        assert re.fullmatch(r"the ledger can't be written \((.*full|disk I/O error)\)", fields["reason"])
        assert fields["score"] is fields["bound"] is fields["milliseconds"] is fields["overlay"] is None
    assert len(list(Path("out").iterdir())) == 7
    assert err.count("alarm: ") == err.count("is written again") == 1
    assert "12 frames: 7 PASS, 0 FAIL, 5 INVALID" in err
    with Ledger.open(path) as ledger:
        assert {row.record.trigger: str(row.record.decision) for row in ledger} == {
            fields["trigger"]: fields["decision"] for fields in lines
        }
        assert ledger.rows == 12
    assert verify_ledger(path).closed


def test_a_disk_that_stays_full_is_told_in_the_summary(
    tiny_bundle: Path, shades: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    def refuse(self: Ledger, entries: list[Any]) -> None:
        if entries:
            raise LedgerError(f"{self.path}: database or disk is full")

    monkeypatch.setattr(Ledger, "append_all", refuse)
    monkeypatch.setattr(ledger_writer, "_MOST_UNENTERED", 4)
    assert main([str(tiny_bundle), "--source", str(shades), "--ledger", "line.ledger"]) == 3
    out, err = capsys.readouterr()
    assert out.count("INVALID") == out.count("the ledger can't be written (database or disk is full)") == 6
    assert err.count("alarm: line.ledger: can't be written (database or disk is full)") == 1
    assert re.search(r"^ledger line.ledger: 0 rows, head \w{64}; 6 INVALID are not in it$", err, re.MULTILINE)


def test_a_password_stays_out_of_the_ledger() -> None:
    def name(**options: str | None) -> str:
        return assembly._name_camera(CameraOptions(**options))

    assert name(camera="0") == "0"
    assert name(source="rtsp://user:secret@line/1") == "rtsp://line/1"
    assert name(camera="rtspsrc location=rtsp://u:secret@line ! appsink") == "rtspsrc"


def test_names_of_any_bytes_are_entered(tiny_bundle: Path, parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    shutil.copy(parts / "a_good.png", os.fsencode(folder) + b"/\xff.png")
    assert main([str(tiny_bundle), "--source", str(folder), "--ledger", "line.ledger"]) == 0
    with Ledger.open(Path("line.ledger")) as ledger:
        assert [row.record.name for row in ledger] == [r"\udcff.png"]


def test_a_damaged_ledger_or_a_second_line_is_refused(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    arguments = [str(tiny_bundle), "--source", str(parts), "--ledger", "line.ledger"]
    with Ledger.open(Path("line.ledger")):
        assert main(arguments) == 3
        assert "line.ledger: another process is writing this ledger" in one_line(capsys)
    Path("line.ledger").write_bytes(b"SQLite format 3")
    assert main(arguments) == 3
    assert "line.ledger: " in one_line(capsys)


def test_a_score_that_is_no_number_is_invalid(
    tiny_bundle: Path, parts: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    real = recipes_module.Recipe.inspect

    def inspect(*given: Any, **more: Any) -> Any:
        return replace(real(*given, **more), score=float("nan"), decision=Decision.FAIL)

    monkeypatch.setattr(recipes_module.Recipe, "inspect", inspect)
    source = ["--source", str(parts / "a_good.png")]
    assert main([str(tiny_bundle), *source, "--json", "--ledger", "line.ledger"]) == 3
    (fields,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (fields["decision"], fields["score"], fields["reason"]) == ("INVALID", None, "the score is nan")
    with Ledger.open(Path("line.ledger")) as ledger:
        assert [row.record.reason for row in ledger] == ["the score is nan"]


def test_a_file_says_what_the_options_say(tiny_bundle: Path, parts: Path, capsys: Capsys) -> None:
    Path("line.toml").write_text(f"bundle = {str(tiny_bundle)!r}\nsource = {str(parts)!r}\njson = true\n")
    assert main(["check", "line.toml"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "json = True"
    assert main(["--config", "line.toml", "--frames", "2"]) == 0
    from_file = decisions(capsys.readouterr().out)
    assert main([str(tiny_bundle), "--source", str(parts), "--json", "--frames", "2"]) == 0
    assert from_file == decisions(capsys.readouterr().out)
    assert len(from_file) == 2


def test_a_camera_that_is_absent_keeps_no_other_from_its_parts(
    tiny_bundle: Path, parts: Path, capsys: Capsys
) -> None:
    camera = f"bundle = {str(tiny_bundle)!r}\npatience = 0.2\n"
    there = f"[cameras.left]\n{camera}source = {str(parts / 'a_good.png')!r}\n"
    absent = f"[cameras.right]\n{camera}camera = 97\n"
    Path("line.toml").write_text(f"json = true\n{there}{absent}")
    assert main(["--config", "line.toml", "--frames", "2"]) == 0
    said = capsys.readouterr()
    told = [(one["decision"], (one["reason"] or "")[:12]) for one in map(json.loads, said.out.splitlines())]
    assert sorted(told) == [("INVALID", "no new frame"), ("INVALID", "no new frame"), ("PASS", "")]
    assert re.search(r"camera 97: .* \(it is waited for\)", said.err)
    Path("line.toml").write_text(f"json = true\n{absent}")
    assert main(["--config", "line.toml", "--frames", "2"]) == 3


def test_a_wrong_file_is_one_line(tiny_bundle: Path, capsys: Capsys) -> None:
    Path("line.toml").write_text("cammera = 0\n")
    for command in (["check", "line.toml"], [str(tiny_bundle), "--config", "line.toml"]):
        assert main(command) == 2
        assert "line.toml: cammera: no such key; did you mean camera?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--debug", "ledger", "verify", "gone.ledger"],
        ["ledger", "--debug", "verify", "gone.ledger"],
        ["ledger", "verify", "--debug", "gone.ledger"],
        ["ledger", "verify", "gone.ledger", "--debug"],
    ],
)
def test_debug_may_stand_before_a_command_and_after_it(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=r"gone\.ledger"):
        main(arguments)


@pytest.mark.parametrize("name", ["led", "ledger-1", "checks", "ledger"])
def test_a_bundle_may_be_called_like_a_command(
    tiny_bundle: Path, parts: Path, capsys: Capsys, name: str
) -> None:
    shutil.copytree(tiny_bundle, name)
    given = f"./{name}" if name == "ledger" else name
    source = ["--source", str(parts / "a_good.png")]
    assert main([given, *source]) == 0
    assert main([*source, given]) == 0
    assert main(["--debug", given, *source]) == 0
    assert f"bundle {name}, threshold 12" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["chekc", "line.toml"],
            "chekc: no command and no bundle of this name; did you mean softcore-edge check?",
        ),
        (
            ["--debug", "ledgr"],
            "ledgr: no command and no bundle of this name; did you mean softcore-edge ledger?",
        ),
        (
            ["export"],
            "export: no command and no bundle of this name; did you mean the command softcore-export?",
        ),
        (["ledger", "verfy", "x"], "did you mean verify?"),
        (["check", "--camera", "0"], "unknown option --camera"),
        (["ask", "state"], "did you mean status?"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_nearest(
    capsys: Capsys, arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_the_help_names_every_command(capsys: Capsys) -> None:
    for arguments in (["--help"], ["--debug", "-h"]):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
        told = re.findall(r"^  softcore-edge ([a-z-]+) .*  \w", capsys.readouterr().out, re.MULTILINE)
        assert set(build_parser().commands) <= set(told)
