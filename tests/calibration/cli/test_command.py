from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from softcore_calibration.cli.command import main
from softcore_edge_app.cli.command import main as edge
from softcore_runtime import Decision, Inspector, read_bundle
from softcore_runtime.bundle.bundle import write_manifest

Capture = pytest.CaptureFixture[str]
# What 40 good images can carry; the threshold falls from 12 to 3.
LOOSE = ["--max-overkill", "0.05", "--accept"]


def only_line(capsys: Capture) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    *bars, said = err.splitlines()
    assert all("scores" in line or " good and " in line or not line for line in bars)
    return said


def test_a_threshold_is_written_with_what_it_rests_on(
    tiny_bundle: Path, category: Path, capsys: Capture
) -> None:
    before = read_bundle(tiny_bundle).manifest
    assert main([str(tiny_bundle), "--data", str(category), *LOOSE]) == 0
    out = capsys.readouterr().out
    now = read_bundle(tiny_bundle).manifest
    assert now.history == (before.threshold,)
    assert not now.threshold.provisional
    assert now.threshold.calibration is not None
    assert now.threshold.calibration.objective == "overkill"
    assert f"threshold  {now.threshold.value:.6g} (was 12, provisional)" in out
    assert "promise    the next good part will fail with probability 0.05 at most" in out
    assert "overkill   2.50% (1 of 40 good; with 0.95 confidence 0.06% to 13.16% of all)" in out
    assert main([str(tiny_bundle), "--revert"]) == 0
    assert (
        f"the threshold is 12 again (by hand); dropped {now.threshold.value:.6g}" in capsys.readouterr().out
    )
    assert read_bundle(tiny_bundle).manifest == before


def test_a_threshold_by_which_nothing_fails_is_not_set_but_replaced(
    tiny_bundle: Path, category: Path, capsys: Capture
) -> None:
    command = [str(tiny_bundle), "--good", str(category / "test/good"), "--accept", "--value"]
    before = (tiny_bundle / "manifest.json").read_bytes()
    assert main([*command, "1e9"]) == 2
    assert "at a threshold of 1e+09 no golden frame fails" in capsys.readouterr().err
    assert (tiny_bundle / "manifest.json").read_bytes() == before
    exported = read_bundle(tiny_bundle).manifest
    high = exported.threshold.model_copy(update={"value": 1e9})
    write_manifest(tiny_bundle, exported.model_copy(update={"threshold": high}))
    assert main([*command, "10"]) == 0
    assert Inspector.load(tiny_bundle).manifest.threshold.value == 10
    capsys.readouterr()
    assert main([str(tiny_bundle), "--revert"]) == 2
    assert "at a threshold of 1e+09 no golden frame fails" in only_line(capsys)


def test_the_line_sees_the_scores_that_calibration_saw(
    tiny_bundle: Path, category: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, float] = {}
    from softcore_calibration.data import scoring

    real = scoring.score_samples

    def score_samples(*given: object) -> scoring.Scoring:
        found = real(*given)  # type: ignore[arg-type]
        seen.update({scored.path.name: scored.score for scored in found.bad})
        return found

    monkeypatch.setattr(scoring, "score_samples", score_samples)
    assert main([str(tiny_bundle), "--data", str(category), *LOOSE]) == 0
    capsys.readouterr()
    assert edge([str(tiny_bundle), "--source", str(category / "test/spot"), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["name"]: line["score"] for line in lines} == seen
    threshold = read_bundle(tiny_bundle).manifest.threshold.value
    assert [line["decision"] for line in lines] == [
        "FAIL" if seen[line["name"]] > threshold else "PASS" for line in lines
    ]


@pytest.mark.parametrize(
    ("options", "decisions"),
    [
        (["--max-overkill", "0.05", "--max-escape", "0.1", "--review-band"], {"PASS", "REVIEW", "FAIL"}),
        (["--f1", "--review-band", "0.3"], {"PASS", "REVIEW", "FAIL"}),
        (["--youden"], {"PASS", "FAIL"}),
        (["--cost-escape", "5", "--cost-overkill", "1"], {"PASS", "FAIL"}),
        (["--percentile", "50"], {"PASS", "FAIL"}),
        (["--value", "7.5"], {"PASS", "FAIL"}),
        (["--f1", "--min-area", "20"], {"PASS", "FAIL"}),
    ],
)
def test_the_line_decides_as_was_calibrated(
    tiny_bundle: Path, category: Path, options: list[str], decisions: set[str]
) -> None:
    """The counts that calibration tells are those that the written bundle gives."""
    assert main([str(tiny_bundle), "--data", str(category), *options, "--accept"]) == 0
    inspector = Inspector.load(tiny_bundle)
    calibration = inspector.manifest.threshold.calibration
    assert calibration is not None
    assert calibration.overkill is not None
    assert calibration.escape is not None
    found = {
        kind: [
            inspector.decide(cv2.imread(str(path))).decision for path in (category / "test" / kind).iterdir()
        ]
        for kind in ("good", "spot")
    }
    assert found["good"].count(Decision.FAIL) == calibration.overkill.count
    assert found["spot"].count(Decision.PASS) == calibration.escape.count
    assert {str(decision) for some in found.values() for decision in some} == decisions


@pytest.mark.parametrize("white", [0, 1])
def test_a_mask_that_masks_nothing_is_refused(
    tiny_bundle: Path, category: Path, tmp_path: Path, capsys: Capture, white: int
) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((48, 48), white, np.uint8))
    options = [str(tiny_bundle), "--data", str(category), "--mask", str(tmp_path / "mask.png"), *LOOSE]
    assert main(options) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"the mask leaves nothing out; its brightest value is {white}, white is 255" in said


def test_a_mask_takes_what_it_covers_out_of_the_decision(
    tiny_bundle: Path, category: Path, tmp_path: Path, capsys: Capture
) -> None:
    mask = np.zeros((48, 48), np.uint8)
    mask[16:34, 26:44] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    options = [str(tiny_bundle), "--data", str(category), "--mask", str(tmp_path / "mask.png"), *LOOSE]
    assert main(options) == 0
    assert "AUROC 0.4" in (out := capsys.readouterr().out) or "AUROC 0.5" in out  # the spots are under it
    inspector = Inspector.load(tiny_bundle)
    assert inspector.decide(cv2.imread(str(category / "test/spot/023.png"))).decision is Decision.PASS


def test_a_threshold_far_from_the_one_before_takes_a_yes(
    tiny_bundle: Path, category: Path, tmp_path: Path, capsys: Capture
) -> None:
    """With a promise that is met it was set all the same, at half the value, with one warning."""
    before = (tiny_bundle / "manifest.json").read_bytes()
    options = [str(tiny_bundle), "--good", str(category / "test/good"), "--max-overkill", "0.05"]
    report = tmp_path / "threshold.html"
    assert main([*options, "--report", str(report)]) == 2
    out, err = capsys.readouterr()
    new = re.search(r"threshold  (\S+) \(was 12, provisional\)", out)
    assert new
    factor = 12 / float(new[1])
    assert factor > 1.5
    assert err.splitlines()[-1] == (
        f"softcore-calibrate: {tiny_bundle}: the threshold would fall from 12 to {new[1]}, by a factor of "
        f"{factor:.3g}; of 40 good images 1 would fail (0 do now); more than 1.5 needs a person's word: look "
        "at --report FILE.html, then repeat the command with --accept; nothing was changed"
    )
    assert report.exists()
    assert (tiny_bundle / "manifest.json").read_bytes() == before
    assert main([*options, "--accept"]) == 0
    assert read_bundle(tiny_bundle).manifest.threshold.value == pytest.approx(float(new[1]), rel=1e-5)
    assert main([*options]) == 0  # it is the same now


def test_a_threshold_that_is_named_needs_a_word_more_only_where_it_is_half_or_twice(
    tiny_bundle: Path, category: Path, capsys: Capture
) -> None:
    command = [str(tiny_bundle), "--good", str(category / "test/good"), "--value"]
    assert main([*command, "7"]) == 0  # by a factor of 1.7
    assert main([*command, "0.7"]) == 2  # a typing error, perhaps
    assert "by a factor of 10; of 40 good images 40 would fail (0 do now)" in capsys.readouterr().err
    assert read_bundle(tiny_bundle).manifest.threshold.value == 7
    assert main([*command, "0.7", "--accept"]) == 0
    assert read_bundle(tiny_bundle).manifest.threshold.value == 0.7


def test_dry_run_changes_nothing(tiny_bundle: Path, category: Path, capsys: Capture) -> None:
    before = (tiny_bundle / "manifest.json").read_bytes()
    assert main([str(tiny_bundle), "--good", str(category / "test/good"), *LOOSE, "--dry-run"]) == 0
    assert "not changed (--dry-run)" in capsys.readouterr().out
    assert (tiny_bundle / "manifest.json").read_bytes() == before


def test_another_objective_is_instant(
    tiny_bundle: Path, category: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([str(tiny_bundle), "--data", str(category), *LOOSE]) == 0
    capsys.readouterr()
    monkeypatch.setattr(Inspector, "inspect", None)
    assert main([str(tiny_bundle), "--data", str(category), "--f1", "--accept"]) == 0
    assert "64 of 64 scores were known from before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--f1", "--youden"], "--f1 and --youden: choose one objective"),
        (
            ["--max-overkill", "0.1", "--max-escape", "0.1"],
            "one threshold seldom keeps both; add --review-band",
        ),
        (["--cost-escape", "3"], "--cost-escape and --cost-overkill go together"),
        (["--review-band"], "--review-band: needs a width, or both"),
        (["--f1", "--confidence", "0.9"], "--f1 makes no promise that could be kept with confidence"),
        (["--good", "gone"], "gone: no such file or folder"),
        (
            ["--max-overkill", "1.5"],
            "--max-overkill 1.5: must be a number above 0 and below 1",
        ),
        (["--value", "nan"], "--value nan: must be a number above 0"),
        (["--min-area", "0"], "--min-area 0: must be a whole number from 1 up"),
        (["--percentile", "100"], "--percentile 100: must be a number above 0 and below 100"),
        (
            ["--revert", "--threads", "1", "--max-overkill", "0.1"],
            "and takes nothing else: leave out --max-overkill, --threads",
        ),
        (["--serve", "--dry-run"], "leave out --dry-run"),
        (["--report", "gone/a.html"], "--report gone/a.html: there is no folder gone"),
        (["--report", "."], "--report .: that is a folder; name a file in it"),
        (["--mask", "gone.png"], "gone.png: can't be read"),
        (
            ["--engine", "openvino", "--provider", "cuda"],
            "--provider cuda: ONNX Runtime has it, OpenVINO doesn't; leave out --engine",
        ),
    ],
)
def test_mistakes_are_one_line(tiny_bundle: Path, capsys: Capture, options: list[str], said: str) -> None:
    before = (tiny_bundle / "manifest.json").read_bytes()
    try:
        code = main([str(tiny_bundle), *options])
    except SystemExit as end:  # argparse's
        code = end.code  # type: ignore[assignment]
    assert code == (3 if "gone.png" in said else 2)
    assert said in only_line(capsys)
    assert (tiny_bundle / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (
            [],
            3,
            "40 good images can't carry --max-overkill 0.01 (99 can); add 59 more, or run: ",
        ),
        (["--max-overkill", "0.05", "--confidence", "0.95"], 3, "(80 can); add 40 more"),
        (["--max-escape", "0.01"], 2, "--max-escape: needs bad images; give some with --bad, or both"),
    ],
)
def test_what_the_images_cannot_carry_is_refused(
    tiny_bundle: Path, category: Path, capsys: Capture, options: list[str], code: int, said: str
) -> None:
    before = (tiny_bundle / "manifest.json").read_bytes()
    assert main([str(tiny_bundle), "--good", str(category / "test/good"), *options]) == code
    assert said in only_line(capsys)
    assert (tiny_bundle / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--data", "DATA"], "--max-overkill 0.025"),
        (["--data", "DATA", "--max-overkill=0.01"], "--max-overkill=0.025"),
        (
            ["--good", "DATA/test/good", "--max-overkill", "0.02", "--dry-run"],
            "--max-overkill 0.025 --dry-run",
        ),
        (["--data", "DATA", "--confidence", "0.95"], "--confidence 0.95 --max-overkill 0.1"),
        (
            ["--data", "DATA", "--max-overkill", "0.01", "--max-escape", "0.01", "--review-band"],
            "--max-overkill 0.025 --max-escape 0.04 --review-band",
        ),
        ([], "--max-overkill 0.077"),
    ],
)
def test_the_command_that_is_advised_is_refused_before_scoring_and_then_works(
    tiny_bundle: Path,
    category: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    changed: str,
) -> None:
    data = tmp_path / "my parts"
    data.symlink_to(category)
    given = [str(tiny_bundle), *(option.replace("DATA", str(data)) for option in options)]
    with monkeypatch.context() as patch:
        patch.setattr(Inspector, "load", None)  # it isn't even loaded
        assert main(given) == 3
    advised = only_line(capsys).partition(", or run: softcore-calibrate ")[2]
    assert advised.endswith(changed)
    assert main([*shlex.split(advised), "--accept"]) == 0
    assert "promise " in capsys.readouterr().out


def test_what_is_lacking_may_be_known_only_when_all_are_read(
    tiny_bundle: Path, category: Path, tmp_path: Path, capsys: Capture
) -> None:
    own = Path(shutil.copytree(category / "test" / "good", tmp_path / "good"))
    for number in range(20):
        (own / f"{number:03}.png").write_text("text")
    shutil.copy(own / "039.png", own / "038.png")
    assert main([str(tiny_bundle), "--good", str(own), "--max-overkill", "0.03"]) == 3
    said = only_line(capsys)
    assert "19 good images can't carry --max-overkill 0.03 (33 can); add 14 more, or run: " in said
    assert main([*shlex.split(said.partition("run: softcore-calibrate ")[2]), "--accept"]) == 0


def test_all_mistakes_are_told_at_once(tiny_bundle: Path, capsys: Capture) -> None:
    wrong = ["--max-overkill", "1.5", "--threads", "none", "--serve", "--dry-run", "--report", "gone/a.html"]
    assert main([str(tiny_bundle) + "s", *wrong, "--mask", "gone.png", "--good", "gone"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"softcore-calibrate: {line}"
        for line in (
            f"{tiny_bundle}s: no bundle here (a folder with a manifest.json)",
            "--max-overkill 1.5: must be a number above 0 and below 1",
            "--threads none: must be a whole number from 1 up",
            "--serve changes nothing until its button is pressed; leave out --dry-run",
            "--report gone/a.html: there is no folder gone",
            "gone.png: can't be read (No such file or directory)",
            "gone: no such file or folder",
        )
    ]


def test_mistakes_are_answered_without_the_seconds_that_libraries_take(tiny_bundle: Path) -> None:
    mistakes = [
        ["gone", "--value", "1"],
        [str(tiny_bundle), "--value", "0"],
        [str(tiny_bundle), "--data", "gone"],
        [str(tiny_bundle), "--f1", "--youden"],
        [str(tiny_bundle), "--report", "gone/a.html"],
        [str(tiny_bundle), "--mask", __file__],
        [str(tiny_bundle), "--provider", "cuda", "--engine", "openvino"],
    ]
    script = (
        "import sys\n"
        "from softcore_calibration.cli.command import main\n"
        f"codes = [main(arguments) for arguments in {mistakes}]\n"
        "names = ('scipy', 'sklearn', 'openvino', 'onnxruntime', 'torch')\n"
        "print(codes, [name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[3, 2, 2, 2, 2, 3, 2] []\n", done.stderr


def test_a_bundle_may_be_named(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tiny_bundle.parents[1])
    assert main(["tiny", "--max-overkill", "0.1"]) == 0
    assert capsys.readouterr().out.startswith("bundles/tiny: calibrated on its training images")
    assert main(["tiny", "--revert"]) == 0
    assert capsys.readouterr().out.startswith("bundles/tiny: the threshold is 12 again")
    assert main(["tinny", "--revert"]) == 3
    assert only_line(capsys) == (
        "softcore-calibrate: tinny: no bundle here (a folder with a manifest.json); did you mean tiny?; "
        "under bundles/ there is: tiny"
    )


def test_what_is_left_out_is_said_first(
    tiny_bundle: Path, category: Path, tmp_path: Path, capsys: Capture
) -> None:
    own = Path(shutil.copytree(category / "test" / "good", tmp_path / "good"))
    (own / "gone.png").symlink_to("nowhere.png")
    for path in own.glob("0*.png"):  # names that are no text
        path.rename(own / os.fsdecode(b"gr\xfcn" + path.name.encode()))
    (own / os.fsdecode(b"br\xfcck.png")).write_text("no image")
    report = tmp_path / "report.html"
    assert main([str(tiny_bundle), "--good", str(own), *LOOSE, "--report", str(report)]) == 0
    out, err = capsys.readouterr()
    assert f"left out: {own}/br\\udcfcck.png: not an image, or a damaged one" in out
    assert "gr\\udcfcn" in report.read_text(encoding="utf-8")
    first, second, third = err.splitlines()
    assert first == f"warning: {own}: 1 symbolic link leads nowhere and is left out: gone.png"
    assert second.startswith("scores                41 in ")
    assert third.startswith("exam                  40 in ")


def test_without_any_images(tiny_bundle: Path, capsys: Capture) -> None:
    assert main([str(tiny_bundle)]) == 3
    assert (
        "12 training images can't carry --max-overkill 0.01 (99 can); give 99 with --good, or"
        in only_line(capsys)
    )
    assert main([str(tiny_bundle), "--max-overkill", "0.1"]) == 0
    assert "no good images were given: the scores of 12 training images stand in" in capsys.readouterr().out


def test_the_wrong_way_round(tiny_bundle: Path, category: Path, capsys: Capture) -> None:
    swapped = ["--good", str(category / "test/spot"), "--bad", str(category / "test/good")]
    assert main([str(tiny_bundle), *swapped, *LOOSE]) == 3
    assert "are they the wrong way round?" in only_line(capsys)


def test_unreadable_images_are_named_and_counted(
    tiny_bundle: Path, category: Path, tmp_path: Path, capsys: Capture
) -> None:
    own = Path(shutil.copytree(category / "test" / "good", tmp_path / "good"))
    for number in range(7):
        (own / f"broken{number}.png").write_text("text")
    assert main([str(tiny_bundle), "--good", str(own), *LOOSE]) == 0
    out = capsys.readouterr().out
    assert "7 images could not be read, left out: " in out
    assert "broken0.png: not an image, or a damaged one" in out
    assert "and 2 more" in out
    for path in own.glob("0*.png"):
        path.unlink()
    # The training images' scores must not stand in for what was given.
    bad = ["--bad", str(category / "test" / "spot")]
    assert main([str(tiny_bundle), "--good", str(own), "--percentile", "50", *bad]) == 3
    assert "none of the good images could be read; first fault: " in only_line(capsys)
    assert main([str(tiny_bundle), "--bad", str(own), "--value", "50"]) == 3
    assert "none of the 7 images could be read; first fault: " in only_line(capsys)


def test_another_product_is_flagged(
    tiny_bundle: Path, category: Path, tmp_path: Path, capsys: Capture
) -> None:
    own = Path(shutil.copytree(category / "test" / "good", tmp_path / "good"))
    cv2.imwrite(str(own / "alien.png"), np.full((48, 48, 3), 240, np.uint8))
    assert main([str(tiny_bundle), "--good", str(own), *LOOSE]) == 0
    assert "1 image are unlike anything" not in (out := capsys.readouterr().out)
    assert "1 image is unlike anything in training nearly everywhere" in out
    assert "alien.png" in out


def test_a_read_only_bundle_is_refused_before_the_work(
    tiny_bundle: Path, category: Path, small_disk: Callable[..., Path], capsys: Capture
) -> None:
    disk = small_disk(1 << 20)
    bundle = Path(shutil.copytree(tiny_bundle, disk / "tiny"))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert main([str(bundle), "--data", str(category), *LOOSE]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err == f"softcore-calibrate: {bundle}/manifest.json: can't be written by you; "
        "--dry-run only finds the threshold\n"
    )
    assert main([str(bundle), "--data", str(category), *LOOSE, "--dry-run"]) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_the_bundle_as_it_was(
    tiny_bundle: Path, tmp_path: Path, draw_part: Callable[..., np.ndarray], number: signal.Signals
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for index in range(3000):
        cv2.imwrite(str(many / f"{index}.bmp"), draw_part(index))
    before = (tiny_bundle / "manifest.json").read_bytes()
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from softcore_calibration.cli.command import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", start, str(tiny_bundle), "--good", str(many)]
    cache = tmp_path / "cache" / "softcore" / "scores.sqlite"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not cache.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "softcore-calibrate: interrupted"
    assert "Traceback" not in err
    assert (tiny_bundle / "manifest.json").read_bytes() == before


def test_no_bundle(tmp_path: Path, capsys: Capture) -> None:
    assert main([str(tmp_path), "--value", "1"]) == 3
    assert f"{tmp_path}: no bundle here" in only_line(capsys)


def test_help_is_quick_about_it() -> None:
    """Without scipy and scikit-learn, which take a second to load."""
    script = (
        "import sys; from softcore_calibration.cli.command import main\n"
        "try: main(['--help'])\n"
        "finally: print([name for name in ('scipy', 'sklearn', 'fastapi', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.endswith("[]\n")
    assert "usage: softcore-calibrate" in done.stdout


@contextlib.contextmanager
def serving(bundle: Path, category: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """`softcore-calibrate --serve` as a process of its own, and a client with its page's token."""
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from softcore_calibration.cli.command import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", start, str(bundle), "--data", str(category), *LOOSE, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            while not (found := re.search(r"http://[\d.:]+/", line := process.stderr.readline())):
                assert line or process.poll() is None
            with httpx.Client(base_url=found[0], timeout=30) as client:
                token = re.search(r'name="softcore-token" content="([^"]{40,})"', client.get("/").text)
                assert token
                client.headers["X-Softcore-Token"] = token[1]
                yield process, client
        finally:
            process.kill()


def test_a_served_page_writes_the_threshold_that_is_chosen_on_it(tiny_bundle: Path, category: Path) -> None:
    before = read_bundle(tiny_bundle).manifest
    with serving(tiny_bundle, category) as (process, client):
        assert read_bundle(tiny_bundle).manifest == before  # nothing is written unasked
        for value in (5.5, 6.5):
            assert client.post("/limit", json={"value": value}).json() == {"value": value}
        assert client.post("/finish").status_code == 202
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "threshold  " in out
    now = read_bundle(tiny_bundle).manifest
    assert (now.threshold.value, now.history[1].value) == (6.5, 5.5)
    assert now.history[0] == before.threshold
    assert now.threshold.calibration is not None
    assert now.threshold.calibration.objective == "value"
    assert "finished; the threshold is 6.5 now" in err


def test_ctrl_c_ends_a_served_page(tiny_bundle: Path, category: Path) -> None:
    before = (tiny_bundle / "manifest.json").read_bytes()
    with serving(tiny_bundle, category) as (process, _):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.splitlines()[-1] == "  page       ended by Ctrl-C; nothing was written"
    assert (tiny_bundle / "manifest.json").read_bytes() == before


def test_a_missing_library_is_said_with_what_to_install(tiny_bundle: Path) -> None:
    script = (
        "import sys; sys.modules['scipy'] = None\n"
        "from softcore_calibration.cli.command import main\n"
        f"sys.exit(main([{str(tiny_bundle)!r}, '--max-overkill', '0.1']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert "run: pip install 'softcore[calibrate]'" in done.stderr
    assert done.stderr.count("\n") == 1
