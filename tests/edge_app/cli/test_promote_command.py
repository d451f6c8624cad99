from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from softcore_edge_app.cli.command import main
from softcore_edge_app.configuration.configuration import read_configuration
from softcore_edge_app.ledger.ledger import Ledger
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold

MODULE = [sys.executable, "-m", "softcore_edge_app"]
Capsys = pytest.CaptureFixture[str]
TOKEN = "a-token-for-the-tests-0123456789"  # noqa: S105 - opens nothing else


@pytest.fixture
def here(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    """A folder with a bundle, one on trial that passes what the first fails, images, and a configuration."""
    folder = tmp_path / "here"
    (folder / "images").mkdir(parents=True)
    shutil.copytree(tiny_bundle, folder / "bundles" / "pill")
    shutil.copytree(tiny_bundle, folder / "bundles" / "pill-new")
    change_threshold(folder / "bundles" / "pill-new", 150.0)
    for number, frame in enumerate([good_frame, bad_frame, good_frame]):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), frame)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    (folder / "line.toml").write_text(
        '# pills\nbundle = "bundles/pill"  # since March\nshadow = "bundles/pill-new"\n'
        'source = "images"\nledger = "line.ledger"\n[http]\nport = 0\ntoken_file = "token"\n'
    )
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SOFTCORE_BUNDLE", raising=False)
    return folder


def change_threshold(path: Path, value: float) -> None:
    set_threshold(path, Threshold(value=value, provisional=False, method="by hand"), read_manifest(path))


def run(capsys: Capsys, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def begin(here: Path) -> Callable[[], tuple[subprocess.Popen[str], str]]:
    """A function that runs the line, and gives it and its address when all images are gone through."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> tuple[subprocess.Popen[str], str]:
        line = subprocess.Popen(
            [*MODULE, "--config", "line.toml"],
            cwd=here,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        started.append(line)
        assert line.stderr
        for told in line.stderr:
            if found := re.search(r"the page stays at (\S+)/ until", told):
                return line, found[1]
        raise AssertionError("the line ended")

    yield begin  # type: ignore[misc]
    for line in started:
        line.kill()
        line.communicate()


def end(line: subprocess.Popen[str]) -> str:
    line.send_signal(signal.SIGINT)
    return str(line.communicate(timeout=60)[1])


def test_a_trial_from_its_beginning_to_the_promotion_and_back(
    here: Path, begin: Callable[[], tuple[subprocess.Popen[str], str]], capsys: Capsys
) -> None:
    text = (here / "line.toml").read_text()
    code, _, err = run(capsys, "promote", "line.toml")
    assert code == 2
    assert "bundles/pill-new: the ledger has no part that it saw with its present threshold" in err
    line, url = begin()
    camera = httpx.get(f"{url}/api/status").json()["cameras"][0]
    assert (camera["shadow"]["seen"], camera["shadow"]["differing"]) == (3, 1)
    (row,) = httpx.get(f"{url}/api/shadow").json()["rows"]
    assert (row["name"], row["decision"], row["shadow"]["decision"]) == ("1.png", "FAIL", "PASS")
    assert "shadow bundles/pill-new: 3 parts seen by both, 1 of them differ, 0 skipped" in end(line)

    code, out, err = run(capsys, "ledger", "shadow", "line.ledger")
    assert (code, err) == (0, "")
    assert "  3 parts seen by both, 0 skipped; the same decision on 2 (66.67%)" in out
    assert re.search(r"  FAIL -> PASS 1: [0-9a-f]+-2\n", out)
    code, out, _ = run(capsys, "ledger", "shadow", "line.ledger", "--csv")
    assert [row.split(",")[5] for row in out.splitlines()] == ["decision", "PASS", "FAIL", "PASS"]
    code, out, _ = run(capsys, "ledger", "shadow", "line.ledger", "--since", "2200-01-01")
    assert (code, out) == (0, "line.ledger: no part was seen by a shadow\n")

    # The line runs: what decides there changes, too.
    line, url = begin()
    code, out, err = run(capsys, "promote", "line.toml", "--url", url)
    assert (code, err) == (0, "")
    assert "line.toml: bundles/pill-new decides, bundles/pill is its shadow" in out
    assert f"the line at {url} decides by bundles/pill-new from the next trigger on" in out
    camera = httpx.get(f"{url}/api/status").json()["cameras"][0]
    assert (camera["recipe"], camera["threshold"]) == ("pill-new", 150.0)
    configuration = read_configuration(here / "line.toml")
    assert (configuration.bundle, configuration.shadow) == ("bundles/pill-new", "bundles/pill")
    assert (here / "line.toml").read_text().count("# since March") == 1
    # The way back: the old bundle's threshold was never calibrated.
    code, _, err = run(capsys, "promote", "line.toml", "--url", url)
    assert (code, err.count("\n")) == (2, 1)
    assert "the threshold of bundles/pill is provisional; run softcore-calibrate" in err
    assert run(capsys, "promote", "line.toml", "--url", url, "--force")[0] == 0
    assert (here / "line.toml").read_text() == text
    assert httpx.get(f"{url}/api/status").json()["cameras"][0]["recipe"] == "pill"
    end(line)
    with Ledger.open(here / "line.ledger") as ledger:
        changes = [note.change for note in ledger.read_notes() if note.change.kind == "bundle"]
    assert [(one.before, one.after, one.by) for one in changes] == [
        ("bundles/pill", "bundles/pill-new", "http"),
        ("bundles/pill-new", "bundles/pill", "http"),
    ]
    # Without a line it holds from the next start on.
    code, out, _ = run(capsys, "promote", "line.toml", "--url", "http://127.0.0.1:9")
    assert code == 0
    assert "no line runs at http://127.0.0.1:9: it holds from the line's next start on" in out


def test_a_running_line_that_refuses_is_said(
    here: Path, begin: Callable[[], tuple[subprocess.Popen[str], str]], capsys: Capsys
) -> None:
    line, url = begin()
    (here / "wrong").write_text("not-the-token-0123456789")
    code, _, err = run(capsys, "promote", "line.toml", "--force", "--url", url, "--token-file", "wrong")
    assert (code, err.count("\n")) == (3, 1)
    assert "line.toml was changed, but not the running line; start it again" in err
    assert line.poll() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source = 'i'\nbundle = 'pill'\n", "line.toml: no shadow is configured; write shadow = ..."),
        ("source = 'i'\nshadow = 'pill'\n", "line.toml: names no bundle, whose place the shadow could take"),
        ("source = 'i'\nbundle = 'pill'\nshadow = 'bundles/pill'\n", "bundles/pill is the bundle itself"),
        ("source = 'i'\nbundle = 'pill'\nshadow = 'pil-new'\n", "pil-new: no bundle here"),
        (
            "[cameras.a]\nsource = 'images'\nbundle = 'pill'\nshadow = 'pill-new'\n"
            "[cameras.b]\nsource = 'images'\nrecipes = { x = 'pill' }\nshadows = { x = 'pill-new' }\n",
            "line.toml: several shadows, name one: --camera a, --camera b --recipe x",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_changes_nothing(here: Path, capsys: Capsys, text: str, said: str) -> None:
    (here / "line.toml").write_text(text)
    code, out, err = run(capsys, "promote", "line.toml")
    assert (code, out, err.count("\n")) == (3 if "no bundle here" in said else 2, "", 1)
    assert said in err
    assert (here / "line.toml").read_text() == text


def test_one_of_several_is_named(here: Path, capsys: Capsys) -> None:
    (here / "line.toml").write_text(
        "[cameras.a]\nsource = 'images'\nbundle = 'pill'\nshadow = 'pill-new'\n"
        "[cameras.b]\nsource = 'images'\nrecipes = { x = 'pill' }\nshadows = { x = 'pill-new' }\n"
    )
    code, out, _ = run(capsys, "promote", "line.toml", "--camera", "b", "--recipe", "x", "--force")
    assert code == 0
    assert "a line that runs takes it at its next start: it has no HTTP port" in out
    cameras = read_configuration(here / "line.toml").cameras
    assert (cameras["b"].recipes, cameras["b"].shadows) == ({"x": "pill-new"}, {"x": "pill"})
    assert (cameras["a"].bundle, cameras["a"].shadow) == ("pill", "pill-new")
    code, _, err = run(capsys, "promote", "line.toml", "--camera", "c")
    assert (code, "no such shadow; there are: --camera a" in err) == (2, True)


def test_a_line_runs_on_without_its_shadow_and_check_names_it(here: Path, capsys: Capsys) -> None:
    shutil.rmtree(here / "bundles" / "pill-new")
    code, _, err = run(capsys, "bundles/pill", "--source", "images", "--shadow", "bundles/pill-new")
    assert code == 0
    assert "no shadow: bundles/pill-new: no bundle here" in err
    code, _, err = run(capsys, "check", "line.toml")
    assert code == 2
    assert "line.toml: shadow: bundles/pill-new: no bundle here" in err


def test_a_ledger_without_notes_of_a_shadow(tmp_path: Path, capsys: Capsys) -> None:
    Ledger.open(tmp_path / "line.ledger").close()
    code, out, _ = run(capsys, "ledger", "shadow", tmp_path / "line.ledger")
    assert (code, out) == (0, f"{tmp_path}/line.ledger: no part was seen by a shadow\n")
