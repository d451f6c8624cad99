from __future__ import annotations

from pathlib import Path

import pytest
from softcore_edge_app.decisions.origin import ORIGINS, Origin, find_origin, make_trigger_id
from softcore_edge_app.ledger.ledger import Ledger

from tests.edge_app.ledger.drafts import entry


@pytest.mark.parametrize("by", [None, *ORIGINS])
@pytest.mark.parametrize("run", ["0a1b", "0a1b-2", "x-modbus"])
def test_a_triggers_id_says_who_triggered(by: Origin | None, run: str) -> None:
    assert find_origin(make_trigger_id(run, 17, by)) == by


def test_ids_of_other_runs_and_numbers_differ() -> None:
    made = {
        make_trigger_id(run, number, by)
        for run in ("a", "a-1") for number in (1, 11) for by in (None, *ORIGINS)
    }  # fmt: skip
    assert len(made) == 2 * 2 * 5


def test_the_last_part_of_an_origin(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        assert ledger.find_last_part(None, "modbus") is None
        parts: list[tuple[str, str, Origin | None]] = [
            ("left", "1", "modbus"), ("right", "5", "modbus"), ("left", "2", "mqtt"), ("left", "3", None),
        ]  # fmt: skip
        ledger.append_all(
            [
                entry(number, trigger=make_trigger_id("run", number, by), camera=camera, part=part)
                for number, (camera, part, by) in enumerate(parts)
            ]
        )
        assert ledger.find_last_part("left", "modbus") == "1"
        assert ledger.find_last_part(None, "modbus") == "5"
        assert ledger.find_last_part("left", "mqtt") == "2"
        assert ledger.find_last_part("left", "http") is None
