from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from softcore_edge_app.configuration.options import CameraOptions, Configuration, MqttOptions


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"shifts": ["24:00"]},
        {"shifts": ["6:00"]},
        {"shifts": ["06:00", "06:00"]},
        {"shifts": "06:00"},
        {"time_zone": "Europe/Nowhere"},
        {"time_zone": "../etc/passwd"},
        {"time_zone": ""},
    ],
)
def test_shifts_are_times_of_a_known_clock(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Configuration(camera="0", **wrong)
    known = Configuration(camera="0", shifts=["22:00", "06:00"], time_zone="Europe/Berlin")
    assert known.shifts == ("06:00", "22:00")


def test_a_topic_is_no_pattern() -> None:
    with pytest.raises(ValidationError):
        MqttOptions(host="broker", topic="line/#")
