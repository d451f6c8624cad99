from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.recipes import Recipe, Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_edge_app.pipeline.trigger import Trigger
from softcore_runtime import Decision, Inspector, LedgerError


@pytest.fixture
def recipe(tiny_bundle: Path) -> Recipe:
    return Recipes({"tiny": tiny_bundle}, SharedInspectors(Inspector.load)).current


def make(recipe: Recipe, number: int, image: np.ndarray) -> Trigger:
    now = time.monotonic()
    trigger = Trigger(
        id=f"run-{number}", camera="left", number=number, part=f"part {number}", recipe=recipe, at=now,
        wall=1_000_000_000, deadline=now + 0.25, frame=Frame(number, f"a{number}.png", image=image),
    )  # fmt: skip
    assert trigger.frame
    trigger.settle(recipe.inspect(image))
    return trigger


def test_a_fault_is_located_in_the_frame(recipe: Recipe, bad_frame: np.ndarray, tmp_path: Path) -> None:
    writer = LedgerWriter(Ledger.open(tmp_path / "a"))
    (entered,), (row,) = writer.enter([make(recipe, 1, bad_frame)])
    writer.close()
    entry = entered
    assert row.record == entry
    assert (row.record.number, entry.number) == (1, 1)
    assert entry.x is not None
    assert entry.y is not None
    assert 30 / 48 <= entry.x <= 38 / 48  # where the white spot is
    assert 20 / 48 <= entry.y <= 28 / 48
    assert entry.deadline_at == 1_250_000_000
    assert (entry.part, entry.provider) == ("part 1", recipe.inspector.backbone.provider)


def test_without_a_ledger_decisions_are_published_without_a_number(
    recipe: Recipe, good_frame: np.ndarray
) -> None:
    writer = LedgerWriter(None)
    (entered,), rows = writer.enter([make(recipe, 1, good_frame)])
    assert (entered.number, rows) == (None, [])
    assert entered.decision is Decision.PASS
    assert writer.remark is None
    writer.close()


def test_a_batch_is_entered_whole_or_not_at_all(
    recipe: Recipe, good_frame: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LedgerWriter(Ledger.open(tmp_path / "a"))
    real = Ledger.append_all

    def refuse(self: Ledger, _entries: object) -> None:
        raise LedgerError(f"{self.path}: database or disk is full")

    monkeypatch.setattr(Ledger, "append_all", refuse)
    published, rows = writer.enter([make(recipe, number, good_frame) for number in (1, 2)])
    assert rows == []
    assert [(one.number, str(one.decision)) for one in published] == [(None, "INVALID")] * 2
    assert writer.fault == "the ledger can't be written (database or disk is full)"
    monkeypatch.setattr(Ledger, "append_all", real)
    published, rows = writer.enter([make(recipe, 3, good_frame)])
    assert [row.record.trigger for row in rows] == ["run-1", "run-2", "run-3"]
    assert [one.number for one in published] == [3]
    assert writer.fault is None
    writer.close()


def test_a_trigger_without_a_decision_is_no_entry(recipe: Recipe) -> None:
    undecided = Trigger("run-1", "left", 1, "part", recipe, 0.0, 0)
    with pytest.raises(ValueError, match="has no decision"):
        LedgerWriter(None).enter([undecided])
