from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.decisions.shadow_opinion import OpinionBatch, ShadowBundle, ShadowOpinion
from softcore_runtime import Decision

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=20)
BUNDLES = st.builds(ShadowBundle, TEXTS, TEXTS, TEXTS, FINITE, FINITE, st.booleans())
OPINIONS = st.builds(
    ShadowOpinion,
    st.none() | st.integers(1, 2**62),
    TEXTS,
    st.sampled_from(Decision),
    st.none() | FINITE,
    st.none() | st.sampled_from(["exact", "upper", "lower"]),
    st.none() | FINITE,
    st.none() | TEXTS,
)


@given(st.builds(OpinionBatch, BUNDLES, st.integers(0, 10**9), st.lists(OPINIONS).map(tuple)))
def test_a_batch_comes_back_to_the_last_bit(batch: OpinionBatch) -> None:
    text = batch.dump()
    assert text.isascii()
    assert OpinionBatch.load(text) == batch


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"bundle": 1}', '{"opinions": [[1, "t", "GOOD"]]}']
)
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|no opinions"):
        OpinionBatch.load(text)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold must be finite"):
        ShadowBundle("", "", "", float("inf"), 1.0, provisional=False)
    with pytest.raises(ValueError, match="score must be finite"):
        ShadowOpinion(1, "t", Decision.PASS, float("nan"))
    fields = json.loads(OpinionBatch(ShadowBundle("", "", "", 1.0, 1.0, False), 0, ()).dump())
    with pytest.raises(ValueError, match="must be finite"):
        OpinionBatch.load(json.dumps({**fields, "threshold": float("nan")}))
