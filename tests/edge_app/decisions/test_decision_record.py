from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.decisions.decision_record import CONTENT, DecisionRecord
from softcore_edge_app.decisions.invalid_kinds import LineKind, find_kind, phrase_reason
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.outputs.archive_record import write_sidecar
from softcore_edge_app.outputs.printer import format_json, format_line
from softcore_runtime import Decision, Inspector

from ..records import make_record

# What earlier versions wrote of this decision, byte for byte: programs read it, and the hash chains it.
RECORD = make_record(
    12, part="4711", name="scratch/7.png", decision=Decision.FAIL, score=22.0134567, fail_above=13.5, x=0.25,
    y=0.5, certified_by_hint=60, by_hnsw=3, exact=1, recipe="tiny", stages={"total": 0.1},
)  # fmt: skip
CONTENT_TEXT = (
    '{"trigger": "run-12", "part": "4711", "name": "scratch/7.png", "camera": "left", "category": "tiny", '
    f'"bundle": "{"ab" * 32}", "decision": "FAIL", "score": 22.0134567, "bound": "exact", '
    '"threshold": 12.0, "fail_above": 13.5, "engine": "onnxruntime", "provider": "cpu", '
    '"precision": "fp32", "triggered_at": 1000000000000000000, "deadline_at": null, '
    '"decided_at": 1000000000000000000, "milliseconds": 3.25, "reason": null, "x": 0.25, "y": 0.5, '
    '"published_at": null, "corrects": null}'
)
PRINTED = (
    '{"frame": 12, "name": "scratch/7.png", "decision": "FAIL", "score": 22.0134567, "bound": "exact", '
    '"threshold": 12.0, "fail_above": 13.5, "share": 1.8344547249999998, "milliseconds": 3.25, '
    '"certified_by_hint": 60, "by_hnsw": 3, "exact": 1, "overlay": null, "reason": null, '
    '"trigger": "run-12", "camera": "left", "part": "4711", "alignment": null}'
)
HASH = "9f408bef998a15f43fe1b0df22f68f922a7ae35577672441c84fbb0e3b635391"
NUMBERS = ("score", "bound", "share", "milliseconds", "x", "y", "certified_by_hint", "by_hnsw", "exact")


def test_what_is_published_and_printed_stays_as_it_was() -> None:
    assert json.dumps(RECORD.content(), allow_nan=False) == CONTENT_TEXT  # what a broker gets
    assert format_json(PublishedDecision(RECORD, None, None)) == PRINTED
    line = "    12  FAIL         1.834 x threshold  score   22.0135       3.2 ms  scratch/7.png, part 4711"
    assert format_line(RECORD) == line


def test_what_the_ledger_and_the_archive_keep_stays_as_it_was() -> None:
    row = Row.chain(RECORD, 7, "cd" * 32)
    assert row.hash == HASH
    assert row.values() == (7, *json.loads(CONTENT_TEXT).values(), "cd" * 32, HASH)
    sidecar = json.loads(write_sidecar(RECORD, None, None))
    assert list(sidecar) == ["format", "softcore", "entry", "picture"]
    assert json.dumps(sidecar["entry"]) == CONTENT_TEXT


def test_a_row_has_all_that_is_in_its_columns_and_its_number() -> None:
    row = Row.chain(RECORD, 7, "cd" * 32)
    again = Row.read(row.values())
    assert again == row
    assert (again.record.number, again.record.recipe, again.record.stages) == (7, None, {})
    assert tuple(RECORD.content()) == CONTENT


@pytest.mark.parametrize("field", ["score", "threshold", "x"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_are_finite(field: str, number: float) -> None:
    with pytest.raises(ValueError, match=f"{field} must be finite"):
        make_record(**{field: number})


def test_texts_are_utf8_and_integers_fit() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        make_record(name="\udcff")
    with pytest.raises(ValueError, match="decided_at must fit 64 bits"):
        make_record(decided_at=2**63)


def test_invalid_has_no_numbers_and_keeps_what_is_known() -> None:
    invalid = replace(RECORD, number=7).invalidate("late", "still being inspected after 1.00 s")
    assert (invalid.decision, invalid.kind) == (Decision.INVALID, "late")
    assert invalid.reason == "late: still being inspected after 1.00 s"
    assert [getattr(invalid, name) for name in NUMBERS] == [None] * len(NUMBERS)
    kept = ("trigger", "part", "bundle", "threshold", "fail_above", "frame_number", "recipe", "stages")
    assert [getattr(invalid, name) for name in kept] == [getattr(RECORD, name) for name in kept]
    again = invalid.invalidate("ledger", "(disk full)")
    assert again.reason == f"the ledger can't be written (disk full); {invalid.reason}"
    assert again.kind == "ledger"
    assert RECORD.kind is None


def test_a_correction_names_the_row_that_it_corrects() -> None:
    corrected = replace(RECORD, number=7).correct("late", "for that", 5)
    assert (corrected.corrects, corrected.number, corrected.published_at) == (7, None, 5)
    assert RECORD.correct("late", "for that", 5).corrects is None


@given(st.text())
def test_what_the_line_says_is_counted_as_what_it_is(detail: str) -> None:
    for kind in get_args(LineKind):
        assert find_kind(phrase_reason(kind, detail)) == kind


def test_a_result_is_taken_over_and_located(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    result = Inspector.load(tiny_bundle).inspect(bad_frame)
    known = {name: vars(RECORD)[name] for name in CONTENT[:6] + CONTENT[11:17]}
    record = DecisionRecord.from_result(result, **known)
    assert (record.decision, record.score, record.bound) == (Decision.FAIL, result.score, "exact")
    assert (record.share, record.exact) == (result.share, result.exact)
    assert record.x is not None
    assert 30 / 48 <= record.x <= 38 / 48  # where the white spot is
    none = DecisionRecord.from_result(replace(result, score=float("nan"), decision=Decision.FAIL), **known)
    assert (none.decision, none.reason, none.kind) == (Decision.INVALID, "the score is nan", "internal")
