"""Advice: what a configuration may say, and what is likely not meant."""

from __future__ import annotations

from typing import Any

import pytest
from softcore_edge_app.cli.advice import give_advice
from softcore_edge_app.configuration.options import Configuration

STREAM = {"source": "rtsp://10.0.0.7/stream", "trigger": "external"}


def advise(**keys: Any) -> list[str]:
    return [".".join(place) for place, _ in give_advice(Configuration(**keys))]


def test_a_stream_that_is_triggered_needs_its_latency() -> None:
    assert advise(**STREAM) == ["latency"]
    assert advise(cameras={"left": STREAM, "right": {**STREAM, "latency": 0.4}}) == ["cameras.left.latency"]


@pytest.mark.parametrize(
    "keys",
    [
        {**STREAM, "latency": 0},
        {**STREAM, "trigger": "auto"},
        {"camera": "0", "trigger": "external"},
        {"source": "images", "trigger": "external"},
    ],
)
def test_nothing_else_does(keys: dict[str, Any]) -> None:
    assert advise(**keys) == []
