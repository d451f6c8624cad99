"""The measurements of the resolution: what is trained, and what is kept."""

from __future__ import annotations

from pathlib import Path

from softcore_benchmarks.resolution.accuracy import Kept, list_setups
from softcore_benchmarks.resolution.report import SIZES


def test_results_are_measured_once(tmp_path: Path) -> None:
    calls = []

    def measure() -> int:
        calls.append(1)
        return len(calls)

    path = tmp_path / "work" / "kept.jsonl"
    assert Kept(path).find("a", measure) == 1
    assert Kept(path).find("a", measure) == 1
    assert Kept(path).find("a", measure, anew=True) == 2
    assert Kept(path).results == {"a": 2}


def test_setups_have_names_of_their_own() -> None:
    setups = list_setups(["bf16", "fp32", "int8"])
    assert len({setup.key for setup in setups}) == len(setups)
    assert {setup.crop for setup in setups} == {*SIZES, 256}
