from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from softcore_export.contamination.contamination import (
    FILE,
    Contamination,
    ImageCopy,
    ImageRecord,
    ShareEstimate,
    write_contamination,
)

SHA = "ab" * 32
SOME = Contamination(
    estimate=ShareEstimate(value=0.1, low=0.02, high=0.3),
    images=(ImageRecord(path="good/ä 1.png", sha256=SHA, suspicion=2.5, decision="patches excluded"),),
)


def test_copies_are_told_apart_by_whether_they_were_learned(tmp_path: Path) -> None:
    kinds = ("content", "pixels", "near")
    copies = tuple(ImageCopy(path=f"{kind}.png", original="a.png", alike=kind) for kind in kinds)
    write_contamination(tmp_path, SOME.model_copy(update={"copies": copies}))
    read = Contamination.model_validate_json((tmp_path / FILE).read_bytes())
    assert (read.copies, read.near) == (copies, copies[2:])


def test_the_file_is_as_the_design_has_it(tmp_path: Path) -> None:
    write_contamination(tmp_path, SOME)
    assert json.loads((tmp_path / "contamination.json").read_text("utf-8")) == {
        "estimate": {"value": 0.1, "low": 0.02, "high": 0.3},
        "images": [{"path": "good/ä 1.png", "sha256": SHA, "suspicion": 2.5, "decision": "patches excluded"}],
        "copies": [],
    }
    assert Contamination.model_validate_json((tmp_path / FILE).read_bytes()) == SOME


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ('{"estimate": {"value": 0.1, "low": 0.2, "high": 0.3}, "images": []}', "low <= value <= high"),
        ('{"estimate": {"value": 0.1, "low": 0, "high": 0.3}, "images": [], "more": 1}', "more"),
    ],
)
def test_a_damaged_file_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Contamination.model_validate_json(text)


def test_no_estimate_is_null(tmp_path: Path) -> None:
    none = SOME.model_copy(update={"estimate": ShareEstimate(value=None, low=0, high=0.3)})
    write_contamination(tmp_path, none)
    assert json.loads((tmp_path / FILE).read_bytes())["estimate"] == {"value": None, "low": 0, "high": 0.3}
    assert Contamination.model_validate_json((tmp_path / FILE).read_bytes()) == none


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_are_shares(value: float) -> None:
    with pytest.raises(ValidationError):
        ShareEstimate(value=value, low=0, high=1)
