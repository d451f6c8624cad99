from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from softcore_edge_app.options import CameraOptions, Configuration, MqttOptions

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def list_keys(model: type[BaseModel]) -> set[str]:
    """All keys, of the tables in it too."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        keys.add(field.alias or name)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                keys |= list_keys(kind)
    return keys


def test_the_page_tells_of_every_key_and_of_no_other() -> None:
    text = PAGE.read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    tables = set(re.findall(r"`\[(\w+)\]`", text))
    assert told | tables | {"cameras"} == list_keys(Configuration) | list_keys(CameraOptions)


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": 0},
        {"deadline": 0},
        {"patience": 61},
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
