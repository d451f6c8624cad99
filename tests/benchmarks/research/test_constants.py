from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from softcore_benchmarks.research import constants
from softcore_benchmarks.research.constants import RULES, Curve, choose_rule, tabulate
from softcore_export.memory_bank.floors import FACTORS, FactorRule, choose_factor


def trace(data: str, noise: float, best: float, spread: float) -> Curve:
    """Draw a set on which `best` is the best factor; without noise they cost `best` times 0.05 x factor."""
    rng = np.random.default_rng(len(data))
    base = rng.lognormal(0, 0.1, 60)
    floors = base * rng.lognormal(-spread, spread, 60)
    scores = np.array([np.maximum(base, factor * floors) for factor in FACTORS])
    reached = 0.9 - 0.2 * np.abs(np.array(FACTORS) - best) if noise else 0.9 - 0.05 * np.array(FACTORS) * best
    oracle = np.array([0.9, 0.9])
    return Curve(data, noise, scores, np.stack([reached, reached], axis=1), oracle)


def test_a_rule_reaches_what_its_factor_does() -> None:
    curve = trace("a", 0.1, 1.2, 0.2)
    for rule in RULES[::7]:
        factor = choose_factor(curve.scores, rule=rule)
        nearest = int(np.abs(np.array(FACTORS) - factor).argmin())
        assert curve.measure(rule)[0] == pytest.approx(curve.aurocs[nearest, 0], abs=0.05)
        assert curve.lose(rule) == pytest.approx(0.9 - curve.measure(rule).mean())


def test_constants_that_cost_clean_images_do_not_count() -> None:
    noisy = [trace(name, 0.1, 1.6, 0.2) for name in ("a", "bb")]
    bold = choose_rule(noisy)
    clean = trace("ccc", 0.0, 0.108, 0.2)  # beyond a factor of about 0.93 it loses too much
    shy = choose_rule([*noisy, clean])
    assert clean.lose(bold) > 0.005 >= clean.lose(shy)
    assert np.mean([c.lose(bold) for c in noisy]) == min(
        np.mean([c.lose(rule) for c in noisy]) for rule in RULES
    )


def test_each_set_is_judged_by_the_others_constants() -> None:
    curves = [trace(name, noise, 1.3, 0.2) for name in ("a", "bb", "ccc") for noise in (0.0, 0.1)]
    table = tabulate(curves)
    assert list(table["without"]) == ["a", "bb", "ccc", "none"]
    rule = choose_rule([curve for curve in curves if curve.data != "bb"])
    row = table.iloc[1]
    assert (row["trusted"], row["rise"], row["raised"]) == (rule.trusted, rule.rise, rule.raised)
    assert row["chosen: lost, clean"] == curves[2].lose(rule)
    assert row["default: to the oracle, noise"] == curves[3].lose(FactorRule())


def test_one_command_writes_the_page(root: Path, resnet18: Path, work: Path, tmp_path: Path) -> None:
    given = {
        "--data": root,
        "--out": tmp_path,
        "--work": work,
        "--weights": resnet18,
        "--resize": 72,
        "--crop": 64,
    }
    words = [str(word) for pair in given.items() for word in pair]
    assert constants.main([*words, "--categories", "stripes"]) == 0
    table = pd.read_csv(tmp_path / "results/constants.csv")
    assert list(table["without"]) == ["stripes", "none"]
    assert "| stripes " in (tmp_path / "CONSTANTS.md").read_text()
