from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from softcore_export.contamination.contamination import (
    FILE,
    Contamination,
    Copy,
    Estimate,
    ImageRecord,
    read_contamination,
    write_contamination,
)
from softcore_runtime.errors import BundleCorruptError

SHA = "ab" * 32
SOME = Contamination(
    estimate=Estimate(value=0.1, low=0.02, high=0.3),
    images=(ImageRecord(path="good/ä 1.png", sha256=SHA, suspicion=2.5, decision="patches excluded"),),
)


def test_copies_are_told_apart_by_whether_they_were_learned(tmp_path: Path) -> None:
    kinds = ("content", "pixels", "near")
    copies = tuple(Copy(path=f"{kind}.png", original="a.png", alike=kind) for kind in kinds)
    write_contamination(tmp_path, SOME.model_copy(update={"copies": copies}))
    read = read_contamination(tmp_path)
    assert (read.copies, read.near) == (copies, copies[2:])


def test_the_file_is_as_the_design_has_it(tmp_path: Path) -> None:
    write_contamination(tmp_path, SOME)
    assert json.loads((tmp_path / "contamination.json").read_text("utf-8")) == {
        "estimate": {"value": 0.1, "low": 0.02, "high": 0.3},
        "images": [{"path": "good/ä 1.png", "sha256": SHA, "suspicion": 2.5, "decision": "patches excluded"}],
        "copies": [],
    }
    assert read_contamination(tmp_path) == SOME


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "missing from the bundle"),
        ("{", "Invalid JSON"),
        ('{"estimate": {"value": 0.1, "low": 0.2, "high": 0.3}, "images": []}', "low <= value <= high"),
        ('{"estimate": {"value": 0.1, "low": 0, "high": 0.3}, "images": [], "more": 1}', "more"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / FILE).write_text(text)
    with pytest.raises(BundleCorruptError, match=words) as raised:
        read_contamination(tmp_path)
    assert str(tmp_path / FILE) in str(raised.value)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_are_shares(value: float) -> None:
    with pytest.raises(ValidationError):
        Estimate(value=value, low=0, high=1)
