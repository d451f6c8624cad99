from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softcore_edge_app.decisions.shadow_opinion import OpinionBatch, ShadowBundle, ShadowOpinion
from softcore_edge_app.ledger.ledger import Change, Ledger, verify_ledger
from softcore_edge_app.queries.parts import read_notes
from softcore_edge_app.queries.shadow_figures import compute_shadow_figures, read_shadowed_parts
from softcore_edge_app.queries.shadow_report import describe_shadow, write_shadowed_parts
from softcore_edge_app.web.ledger_queries import connect_to_read
from softcore_runtime import Decision, LedgerError

from ..records import make_record

NEW = ShadowBundle("cd" * 32, "bundles/new", "tiny", 10.0, 10.0, provisional=False)
OTHER = ShadowBundle("ef" * 32, "bundles/other", "tiny", 11.0, 11.0, provisional=True)


def note(ledger: Ledger, batch: OpinionBatch, camera: str = "left") -> None:
    ledger.note(Change("shadow", camera, None, None, batch.dump(), "line"))


def give_opinion(row: int, decision: str, score: float | None = 5.0, bound: str = "exact") -> ShadowOpinion:
    if decision == "INVALID":
        return ShadowOpinion.invalid(row, f"run-{row}", "too dark")
    return ShadowOpinion(row, f"run-{row}", Decision(decision), score, bound, 4.0)


DECIDED = st.tuples(
    st.sampled_from(["left", "right"]),
    st.sampled_from(["PASS", "FAIL", "REVIEW", "INVALID"]),  # the line
    st.sampled_from(["PASS", "FAIL", "REVIEW", "INVALID", None]),  # the shadow, or skipped
    st.sampled_from([NEW, OTHER]),
    st.sampled_from(["good", "bad", None]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(DECIDED, min_size=1, max_size=12), size=st.integers(1, 4))
def test_figures_are_those_of_a_table(
    parts: list[tuple[Any, ...]], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("figures") / "line.ledger"
    with Ledger.open(path) as ledger:
        for number, (camera, decision, *_) in enumerate(parts, 1):
            valid = decision != "INVALID"
            values = {"score": 6.0 + number, "bound": "exact", "milliseconds": 2.0 + number}
            ledger.append(
                make_record(
                    number, camera=camera, decision=decision, decided_at=10**18 + number,
                    **{key: value if valid else None for key, value in values.items()},
                    reason=None if valid else "too dark",
                )
            )  # fmt: skip
        for camera in ("left", "right"):
            for shadow in (NEW, OTHER):
                mine = [
                    n for n, one in enumerate(parts, 1) if one[0] == camera and one[3] == shadow and one[2]
                ]
                for start in range(0, len(mine), size):
                    some = [give_opinion(n, parts[n - 1][2]) for n in mine[start : start + size]]
                    note(ledger, OpinionBatch(shadow, 0, tuple(some)), camera)
        for number, one in enumerate(parts, 1):
            if one[4]:
                ledger.note(Change("mark", one[0], f"run-{number}", None, one[4], "page"))
    table = pd.DataFrame(
        [(n, *one[:2], one[2], one[3].bundle, one[4]) for n, one in enumerate(parts, 1) if one[2]],
        columns=["n", "camera", "line", "shadow", "bundle", "mark"],
    )
    found = {(one.camera, one.shadow.bundle): one for one in compute_shadow_figures(path)}
    assert found.keys() == {tuple(key) for key in table[["camera", "bundle"]].drop_duplicates().values}
    for key, rows in table.groupby(["camera", "bundle"]):
        figures = found[tuple(key)]
        assert figures.decisions == Counter(zip(rows.line, rows.shadow, strict=True))
        assert figures.differences == int((rows.line != rows.shadow).sum())
        assert sum(map(len, figures.differing.values())) == figures.differences
        both = rows[(rows.line != "INVALID") & (rows.shadow != "INVALID")]
        assert len(figures.milliseconds) == len(figures.shares) == len(both)
        if len(both):
            assert median(one for one, _ in figures.milliseconds) == float((both.n + 2.0).median())
        marked = rows[rows.mark.notna()]
        wanted = marked.mark.map({"good": "PASS", "bad": "FAIL"})
        assert figures.marked == Counter(zip(marked.line == wanted, marked.shadow == wanted, strict=True))
    assert sorted(part.number for part in read_shadowed_parts(path)) == sorted(table.n)
    late = 10**18 + len(parts)
    assert {part.number for part in read_shadowed_parts(path, late)} <= {len(parts)}
    assert verify_ledger(path).fault is None


def test_a_row_that_was_corrected_and_a_batch_that_was_noted_twice_count_once(tmp_path: Path) -> None:
    path = tmp_path / "line.ledger"
    with Ledger.open(path) as ledger:
        first, second = (ledger.append(make_record(number)) for number in (1, 2))
        batch = OpinionBatch(NEW, 3, (give_opinion(1, "FAIL"), give_opinion(2, "FAIL")))
        note(ledger, batch)
        note(ledger, OpinionBatch(NEW, 0, batch.opinions))
        ledger.append(first.record.correct("late", "so late", 10**18 + 1))
        note(ledger, OpinionBatch(NEW, 0, (ShadowOpinion(None, "run-9", Decision.PASS),)))  # never entered
    (figures,) = compute_shadow_figures(path)
    assert (figures.seen, figures.skipped) == (1, 3)
    assert figures.differing == {(Decision.PASS, Decision.FAIL): [second.record.part]}


def test_a_note_that_is_no_opinion_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "line.ledger"
    with Ledger.open(path) as ledger:
        ledger.note(Change("shadow", "left", None, None, "{}", "line"))
    with pytest.raises(LedgerError, match="note 1 of the ledger can't be read"):
        compute_shadow_figures(path)


def test_what_a_shadow_says_is_no_change_of_the_line(tmp_path: Path) -> None:
    path = tmp_path / "line.ledger"
    with Ledger.open(path) as ledger:
        mark = ledger.note(Change("mark", "left", "run-1", None, "good", "page"))
        for _ in range(30):
            note(ledger, OpinionBatch(NEW, 1, ()))
    connection = connect_to_read(path)
    assert read_notes(connection, 20) == ([mark], None)
    connection.close()


def test_the_report_says_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "line.ledger"
    said = {1: "PASS", 2: "FAIL", 3: "PASS", 4: "REVIEW"}
    with Ledger.open(path) as ledger:
        for number in said:
            line = "FAIL" if number == 3 else "PASS"
            ledger.append(make_record(number, part=f"=part {number}\n", decision=line, milliseconds=8.0))
        opinions = tuple(give_opinion(number, decision) for number, decision in said.items())
        note(ledger, OpinionBatch(NEW, 2, opinions))
        ledger.note(Change("mark", "left", "run-2", None, "bad", "page"))
        ledger.note(Change("mark", "left", "run-3", None, "bad", "page"))
    (figures,) = compute_shadow_figures(path)
    assert list(describe_shadow(figures)) == [
        "camera left: shadow bundles/new, seal cdcdcdcdcdcd, threshold 10",
        "  4 parts seen by both, 2 skipped; the same decision on 1 (25.00%)",
        "  PASS -> FAIL 1: =part 2\\n",
        "  PASS -> REVIEW 1: =part 4\\n",
        "  FAIL -> PASS 1: =part 3\\n",
        "  of 2 parts that a person marked, the line was right on 1, the shadow on 1",
        "  score / threshold: line 0.500 (p50), 0.500 at most; shadow 0.500 (p50), 0.500 at most",
        "  an inspection took 8.0 ms (p50), in the shadow 4.0 ms, 0.50 times as long",
    ]
    out = io.StringIO()
    assert write_shadowed_parts(read_shadowed_parts(path), out) == 4
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["shadow_decision"] for row in rows] == list(said.values())
    assert rows[1]["part"] == "'=part 2\n"
    assert (rows[1]["decision"], rows[1]["mark"], float(rows[1]["shadow_threshold"])) == ("PASS", "bad", 10.0)
