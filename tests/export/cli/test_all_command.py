"""`softcore-export --all`: every category by a process of its own, taken up again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from softcore_export.cli.command import main
from softcore_runtime import read_bundle

Capture = pytest.CaptureFixture[str]
OPTIONS = ["--backbone", "filterbank", "--resize", "72", "--crop", "64", "--precision", "fp32"]


@pytest.fixture
def root(own_discs: Path) -> Path:
    """A root with `disc`, and with `few`, whose images are too few."""
    (own_discs / "few").mkdir()
    for path in sorted((own_discs / "disc").iterdir())[:3]:
        shutil.copy(path, own_discs / "few")
    return own_discs


def test_a_failure_stops_nothing_and_only_what_failed_is_done_again(
    root: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["--all", "--data", str(root), "--out", "made", *OPTIONS]
    assert main(command) == 3
    out, err = capsys.readouterr()
    assert out.splitlines() == ["made: 1 of 2 categories exported", "  summary    made/index.html"]
    assert "few: failed after" in err
    assert "3 images, at least 8 are needed" in err
    assert "see made/logs/few.log" in err
    first = read_bundle(tmp_path / "made" / "disc").manifest

    for path in sorted((root / "disc").iterdir())[3:]:
        shutil.copy(path, root / "few")
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "1 of 2 categories are exported already, from the same images" in err
    assert out.startswith("made: 2 of 2 categories exported\n")
    assert read_bundle(tmp_path / "made" / "disc").manifest == first
    assert set(json.loads((tmp_path / "made" / "categories.json").read_text())) == {"disc", "few"}
    assert "could not be exported" not in (tmp_path / "made" / "index.html").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--category", "disc"], "leave out --category, which is of one"),
        (["--category=disc"], "leave out --category, which is of one"),
        (["--review"], "leave out --review, which is of one"),
        (["--good", "x"], "leave out --good, which is of one"),
        (["--update", "x"], "leave out --update, which is of one"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--crop", "7"], "--crop 7: must be a whole number"),
        (["--ray", "nowhere"], "--ray nowhere: no cluster can be reached"),
    ],
)
def test_mistakes_are_told_before_anything_is_exported(
    root: Path, tmp_path: Path, capsys: Capture, options: list[str], told: str
) -> None:
    if "--ray" in options:
        pytest.importorskip("ray", reason="needs Ray: pip install 'softcore[ray]'")
    assert main(["--all", "--data", str(root), "--out", str(tmp_path / "made"), *OPTIONS, *options]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "made" / "disc").exists()


def test_ray_needs_all(root: Path, tmp_path: Path, capsys: Capture) -> None:
    command = ["--category", "disc", "--data", str(root), "--out", str(tmp_path), "--ray", "local"]
    assert main(command) == 2
    assert "--ray: goes with --all" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_running_export_too(
    root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from softcore_export.cli.command import main; sys.exit(main())"
    )
    made = tmp_path / "made"
    command = [sys.executable, "-c", start, "--all", "--data", str(root), "--out", str(made), *OPTIONS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (made / "logs" / "disc.log").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(0.3)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "softcore-export: interrupted"
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (made / "disc").exists()
