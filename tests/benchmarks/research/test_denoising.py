from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from softcore_benchmarks.data import drawn
from softcore_benchmarks.research import denoising
from softcore_benchmarks.research.screening import ATTEMPTS


@pytest.fixture
def command(root: Path, resnet18: Path, work: Path, tmp_path: Path) -> list[str]:
    arguments = {
        "--data": root,
        "--out": tmp_path / "out",
        "--work": work / "denoising",
        "--weights": resnet18,
        "--resize": 72,
        "--crop": 64,
        "--seeds": 1,
    }
    return [str(word) for pair in arguments.items() for word in pair]


def test_one_command_tries_everything_and_writes_the_report(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, count in {"TRAIN": 10, "GOOD": 3, "BAD": 6}.items():
        monkeypatch.setattr(drawn, name, count)
    assert denoising.main([*command, "--categories", "stripes", "drawn_weave"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "out/DENOISING.md")
    assert "stripes: not enough defects for noise 0.4" in err
    assert re.search(r"^draws +7 in [0-9.]+ s$", err, re.MULTILINE)

    found = pd.read_csv(tmp_path / "out/results/denoising.csv")
    assert set(found["data"]) == {"stripes", "drawn_weave"}
    assert set(found[found["data"] == "stripes"]["noise"]) == {0, 0.1}
    assert set(found[found["noise"] == 0.4]["half"]) == {"all"}  # a half of the defects isn't enough
    screened = found[(found["measure"] == "overlap") & (found["half"] == "tune") & (found["noise"] == 0.1)]
    assert set(screened["row"]) == {attempt.name for attempt in ATTEMPTS} | {"drawn anew"}
    confirmed = found[(found["measure"] == "no overlap") & (found["half"] == "confirm")]
    assert set(confirmed["row"]) == {"PatchCore", "lof, tau 0.15, weights", "oracle", "default"}
    assert found["value"].between(0, 20).all()

    text = (tmp_path / "out/DENOISING.md").read_text()
    for attempt in ATTEMPTS:
        assert text.count(f"\n| {attempt.name} ") == 3  # real images, drawn ones, the explanations
        assert attempt.what in text
    for words in ("### Real images", "### Drawn images", "## The default", "held"):
        assert words in text
    assert str(tmp_path) not in text


def test_rules_are_tried_on_some_data_sets_and_the_default_on_all(command: list[str], tmp_path: Path) -> None:
    assert denoising.main([*command, "--categories", "stripes", "--screen"]) == 0
    found = pd.read_csv(tmp_path / "out/results/denoising.csv")
    rows = found[found["measure"] == "overlap"]
    assert set(rows["row"]) == {"PatchCore", "lof, tau 0.15, weights", "oracle", "default"}
    assert set(rows["half"]) == {"all", "confirm"}


def test_wrong_options_are_said(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert denoising.main([*command, "--categories", "nothing"]) == 2
    assert "no such category" in capsys.readouterr().err
    assert denoising.main([*command, "--seeds", "0"]) == 2
    assert "--seeds 0" in capsys.readouterr().err
    assert denoising.main([*command, "--weights", "nowhere.pth"]) == 2
    assert "nowhere.pth: no such file" in capsys.readouterr().err
