"""Ledger comparison: whether triggers, broker and PLC have the decisions that a ledger has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from softcore_edge_app.decisions.origin import find_origin
from softcore_edge_app.ledger.ledger import Row

from softcore_benchmarks.line.rig.plc import Plc

__all__ = ["compare_broker", "compare_plc", "compare_triggers"]


def compare_triggers(rows: Sequence[Row], triggers: Mapping[str, int]) -> Iterator[str]:
    """Yield the cameras whose triggers don't have one decision each, in order.

    Args:
        rows: of the ledger.
        triggers: number of triggers by camera.
    """
    for camera, count in triggers.items():
        numbers = [_read_number(row.record.trigger) for row in rows if row.record.camera == camera]
        if numbers != list(range(1, count + 1)):
            yield f"{camera}: {count} triggers, and {len(numbers)} decisions, or not in order"


def _read_number(trigger: str) -> int:
    return int(trigger.removesuffix(f"-{find_origin(trigger)}").rpartition("-")[2])


def compare_broker(rows: Sequence[Row], decisions: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the differences between the ledger and a broker's decisions, by trigger."""
    entered = {row.record.trigger: str(row.record.decision) for row in rows}
    told = {trigger: decision["decision"] for trigger, decision in decisions.items()}
    if told != entered:
        missing, strange = entered.keys() - told.keys(), told.keys() - entered.keys()
        yield f"the broker lacks {len(missing)} decisions, and has {len(strange)} that aren't in the ledger"
    if [*decisions] != [trigger for trigger in entered if trigger in decisions]:
        yield "the broker has them in another order"


def compare_plc(rows: Sequence[Row], plc: Plc) -> Iterator[str]:
    """Yield the differences between the right camera's rows of the ledger and a PLC's results."""
    entered = [
        (int(row.record.part), str(row.record.decision)) for row in rows if row.record.camera == "right"
    ]
    told = [
        (registers.part, decision) for registers, decision in zip(plc.results, plc.decisions, strict=True)
    ]
    if told != entered:
        yield f"the PLC has {len(told)} results, and the ledger {len(entered)}, or others"
