"""`softcore compare`, as it is typed."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from softcore_calibration.cli.compare_command import main
from softcore_runtime import read_bundle
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold
from softcore_runtime.cli.softcore_command import main as softcore

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pair(tiny_bundle: Path, tmp_path: Path) -> list[str]:
    """The tiny bundle, whose threshold is 12, and a copy of it with 3."""
    new = tmp_path / "new" / tiny_bundle.name
    shutil.copytree(tiny_bundle, new)
    threshold = Threshold(value=3.0, provisional=False, method="by hand")
    set_threshold(new, threshold, read_bundle(new).manifest)
    return [str(tiny_bundle), str(new)]


def only_line(capsys: Capture) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1]


def test_it_shows_what_changes_in_terminal_table_and_page(
    pair: list[str], category: Path, tmp_path: Path, capsys: Capture, browser: Browser
) -> None:
    table, page = tmp_path / "parts.csv", tmp_path / "compare.html"
    assert (
        softcore(["compare", *pair, "--data", str(category), "--csv", str(table), "--report", str(page)]) == 0
    )
    out = capsys.readouterr().out
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 64
    for row in rows:
        score = float(row["old_score"])
        assert row["old_decision"] == ("FAIL" if score > 12 else "PASS")
        assert row["new_decision"] == ("FAIL" if score > 3 else "PASS")
        assert float(row["old_ratio"]) == pytest.approx(score / 12, rel=1e-5)
    gained = [row for row in rows if row["label"] == "bad" and 3 < float(row["old_score"]) <= 12]
    assert f"is right about {len(gained)} images that the old one had wrong" in out
    assert "threshold        12, provisional  ->  3" in out
    assert f"report           {page}" in out

    view = browser.new_page(viewport={"width": 390, "height": 844})
    faults: list[str] = []
    view.on("console", lambda message: faults.append(message.text))
    view.goto(page.as_uri())
    expect(view.locator("#gained .cards > li")).to_have_count(min(12, len(gained)))
    expect(view.locator("svg circle")).to_have_count(64)
    for image in view.locator("#gained img").all():
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")
    width = view.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    assert not faults
    view.close()


def test_no_worse_is_told_by_the_exit_code(pair: list[str], category: Path, capsys: Capture) -> None:
    assert main([*pair, "--data", str(category), "--no-worse", "--bad", str(category / "test/spot")]) == 0
    assert main([*reversed(pair), "--data", str(category), "--no-worse"]) == 1
    assert "lost             " in capsys.readouterr().out


def test_without_images_the_golden_frames_are_compared(pair: list[str], capsys: Capture) -> None:
    assert main(pair) == 0
    out, err = capsys.readouterr()
    assert "no images are named: the golden frames of both bundles are compared" in err
    assert "AUROC            unknown" in out


def test_a_folder_without_labels_is_compared_without_them(
    pair: list[str], category: Path, capsys: Capture
) -> None:
    assert main([*pair, "--images", str(category / "test" / "spot")]) == 0
    out = capsys.readouterr().out
    assert "24 images: the new bundle decides" in out
    assert "otherwise        " in out
    assert "overkill         unknown" in out
    assert main([*pair, "--images", str(category)]) == 0  # its layout says which are good
    assert "of 40;" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--no-worse"], "--no-worse: name labelled images, by --data or by --good and --bad"),
        (["--images", "nowhere"], "nowhere: no such file or folder"),
        (["--report", "nowhere/page.html"], "--report nowhere/page.html: there is no folder nowhere"),
        (["--csv", "."], "--csv .: that is a folder; name a file in it"),
    ],
)
def test_a_mistake_is_one_line(
    pair: list[str], arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main([*pair, *arguments]) == 2
    assert said in only_line(capsys)


def test_unlabelled_images_can_t_be_no_worse(pair: list[str], category: Path, capsys: Capture) -> None:
    assert main([*pair, "--images", str(category / "test" / "spot"), "--no-worse"]) == 2
    assert "of none of these images it is known whether they are good" in only_line(capsys)


def test_a_bundle_that_isn_t_there_is_named(pair: list[str], capsys: Capture) -> None:
    assert main([pair[0], "nowhere"]) == 3
    assert "nowhere: no bundle here" in only_line(capsys)


def test_images_none_of_which_can_be_read(pair: list[str], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.png").write_bytes(b"no image")
    assert main([*pair, "--bad", str(tmp_path / "bad")]) == 3
    assert "none of the images could be compared; first fault: " in only_line(capsys)
