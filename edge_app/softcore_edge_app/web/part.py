"""Part: one decision as the port describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field
from softcore_runtime import Decision

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.phrases import Phrase, read_phrases
from softcore_edge_app.queries.parts import Part

__all__ = ["PartReport", "describe_part", "describe_record"]


class PartReport(BaseModel):
    """A decision: its row's number and fields in the ledger, and more.

    `share` is the score in units of the threshold; `mark` is what a person marked it, `good` or `bad`;
    `image` is whether there is one, `kind` the kind of the reason of an INVALID, `phrases` what it says, as
    keys and values: see `Phrase`.
    """

    number: int
    trigger: str
    part: str
    name: str
    camera: str
    category: str
    bundle: str
    decision: Decision
    score: float | None
    bound: str | None
    threshold: float
    fail_above: float
    engine: str
    provider: str
    precision: str
    triggered_at: int
    deadline_at: int | None
    decided_at: int
    milliseconds: float | None
    reason: str | None
    kind: str | None
    phrases: list[Phrase]
    x: float | None
    y: float | None
    share: float | None
    mark: str | None
    image: bool = Field(alias="picture")


def describe_record(record: DecisionRecord) -> dict[str, Any]:
    """Return a record's fields, `kind`, `phrases` and `share`, as JSON can hold them."""
    phrases = [asdict(phrase) for phrase in read_phrases(record.reason or "")]
    return {**record.content(), "kind": record.kind, "phrases": phrases, "share": record.share}


def describe_part(part: Part, *, image: bool) -> dict[str, Any]:
    """Return the fields of a `PartReport`."""
    return {
        "number": part.row.number,
        **describe_record(part.row.record),
        "mark": part.mark,
        "picture": image,
    }
