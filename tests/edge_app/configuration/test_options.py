from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from softcore_edge_app.configuration.options import CameraOptions, MqttOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": 0},
        {"deadline": 0},
        {"patience": 61},
        {"latency": -0.1},
        {"trigger": "sometimes"},
        {"interval": -1},
        {"recipes": 3},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CameraOptions(camera="0", **wrong)


def test_a_topic_is_no_pattern() -> None:
    with pytest.raises(ValidationError):
        MqttOptions(host="broker", topic="line/#")
