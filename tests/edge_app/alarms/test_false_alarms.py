"""How often the default rules raise a false alarm: computed, and as the page on alarms says it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from softcore_edge_app.configuration.alarm_options import DEFAULT_ALARMS, AlarmOptions

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "alarms.md"
PARTS = 10_000
DECISION_RULES = [name for name, rule in DEFAULT_ALARMS.items() if rule.decisions]
ROW = re.compile(r"^\| (?P<percent>\d+) % \| (?P<chances>.+) \|$", re.MULTILINE)


def bound_chance(rule: AlarmOptions, share: float) -> float:
    """The most that the chance can be to raise it in `PARTS` independent parts: a sum over all windows."""
    assert rule.count
    tail = sum(
        math.comb(rule.parts, k) * share**k * (1 - share) ** (rule.parts - k)
        for k in range(rule.count, rule.parts + 1)
    )
    return min(1.0, PARTS * tail)


def compute_run(length: int, share: float) -> float:
    """The chance of so many in a row among `PARTS` parts, exactly: a chain of the run's length so far."""
    ending = [1.0] + [0.0] * length
    for _ in range(PARTS):
        broken = (1 - share) * sum(ending[:length])
        ending = [
            broken,
            *(share * chance for chance in ending[: length - 1]),
            ending[length] + share * ending[length - 1],
        ]
    return ending[length]


def read_table() -> dict[float, dict[str, str]]:
    text = PAGE.read_text(encoding="utf-8")
    names = re.findall(
        r"`([a-z-]+)`", next(line for line in text.splitlines() if line.startswith("| share of"))
    )
    return {
        int(row["percent"]) / 100: dict(zip(names, row["chances"].split(" | "), strict=True))
        for row in ROW.finditer(text)
    }


def write_chance(chance: float) -> str:
    """As the page has it: nothing smaller than a millionth is told apart."""
    return "< 0.000 001" if chance < 1e-6 else f"{chance:.1g}" if chance < 0.995 else "1"


def test_the_page_says_what_is_computed() -> None:
    table = read_table()
    assert len(table) >= 4
    for share, row in table.items():
        assert sorted(row) == sorted(DECISION_RULES)
        for name, told in row.items():
            assert told == write_chance(bound_chance(DEFAULT_ALARMS[name], share)), (share, name)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_the_bound_holds_for_runs_which_can_be_computed_exactly(share: float) -> None:
    rule = DEFAULT_ALARMS["fail-run"]
    exact = compute_run(rule.parts, share)
    assert exact <= bound_chance(rule, share)
    assert bound_chance(rule, share) < 2.5 * exact or exact > 0.5


def test_a_healthy_line_practically_never_raises_one() -> None:
    assert bound_chance(DEFAULT_ALARMS["fail-run"], 0.02) < 1e-12
    assert bound_chance(DEFAULT_ALARMS["fail-share"], 0.02) < 1e-12
