"""Entries: what a line would enter of a verdict, for tests that have no line."""

from __future__ import annotations

from typing import Any

from softcore_edge_app.ledger.row import Entry
from softcore_edge_app.verdict import Verdict
from softcore_runtime import Inspector

__all__ = ["make_entry"]

_SAME = ("name", "decision", "score", "bound", "threshold", "fail_above", "milliseconds", "reason")


def make_entry(verdict: Verdict, inspector: Inspector, trigger: str, at: int, **changes: Any) -> Entry:
    """Make the entry of a verdict that `inspector` gave at a time, in nanoseconds, on a trigger."""
    backbone = inspector.backbone
    return Entry(
        **{
            "trigger": trigger, "part": trigger, "camera": "left", "category": "tiny", "bundle": "ab" * 32,
            "engine": backbone.engine, "provider": backbone.provider, "precision": backbone.precision,
            "triggered_at": at, "deadline_at": None, "decided_at": at,
            **{name: getattr(verdict, name) for name in _SAME}, **changes,
        }
    )  # fmt: skip
