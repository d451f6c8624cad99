"""The report on resolutions: which constants are chosen, and what the page shows."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from softcore_benchmarks.resolution.accuracy import list_setups
from softcore_benchmarks.resolution.report import SIZES, Known, choose_rule, write_report
from softcore_export.resolution.resolution_choice import ChoiceRule, Trial


def know(data: str, separations: list[float], truths: list[float]) -> Known:
    trials = tuple(Trial(side, 1.0, share) for side, share in zip(SIZES[1:], separations, strict=True))
    return Known(data, trials, dict(zip(SIZES[1:], truths, strict=True)))


def test_a_rule_that_loses_on_a_set_is_not_chosen() -> None:
    real = know("real", [0.8, 0.85, 0.9], [0.9, 0.92, 0.95])
    misleading = know("misleading", [0.8, 0.815, 0.815], [0.9, 0.8, 0.8])
    rule = choose_rule([real, misleading])
    assert real.choose(rule) == 448
    assert misleading.choose(rule) == 224
    assert rule.gain > 0.015
    assert choose_rule([real]).gain <= 0.1
    assert real.gain(rule) == pytest.approx(0.05)


def test_what_gains_most_is_chosen() -> None:
    known = know("equal", [0.8, 0.9, 0.895], [0.9, 0.92, 0.95])
    assert known.choose(choose_rule([known])) == 448
    other = know("equal", [0.8, 0.9, 0.895], [0.9, 0.95, 0.92])
    assert other.choose(choose_rule([other])) == 320


def test_the_report_shows_what_there_is(tmp_path: Path) -> None:
    setups = list_setups(["bf16", "fp32"])
    results: dict[str, object] = {}
    for place, setup in enumerate(setups):
        results[f"screw {setup.key}"] = {"auroc": 0.8 + place / 100, "entries": 1000 + place}
    results["pill 224-224-bf16"] = {"auroc": 1.0, "entries": 500}
    results["screw 448-448-bf16 noise"] = {"auroc": 0.87, "entries": 1100}
    for noise in ("0", "0.1"):
        results[f"screw choice {noise}"] = [
            {"side": side, "separation": share, "note": ""}
            for side, share in zip(SIZES[1:], (0.8, 0.85, 0.9), strict=True)
        ]
    results["screw anomalib 448"] = {"auroc": 0.75, "entries": 6000, "ms": 50.0, "bare": 20.0}
    times = {setup.key: {"median": 5.0 + setup.crop / 10, "p95": 0.0, "ratio": 1.0} for setup in setups}
    page = write_report(tmp_path, ["screw", "pill"], setups, results, {"machine": "a machine", **times})
    text = page.read_text()
    assert "on: a machine." in text
    assert "| screw  |" in text
    assert "0.8700" in text
    assert "|    448 | 50.0 |        2.50 |  0.7500 |" in text
    assert (tmp_path / "results" / "resolution.png").stat().st_size > 1000
    table = pd.read_csv(tmp_path / "results" / "resolution.csv")
    assert len(table) == len(setups) + 1
    row = table[(table["data"] == "screw") & (table["crop"] == 448) & (table["noise"].notna())]
    assert row["auroc"].tolist() == [pytest.approx(0.83)]


def test_a_choice_within_no_budget_ignores_times() -> None:
    assert know("a", [0.5, 0.6, 0.9], [1, 1, 1]).choose(ChoiceRule()) == 448
    assert math.isclose(know("a", [0.5, 0.6, 0.9], [1, 1, 0.9]).gain(ChoiceRule()), -0.1)
