from __future__ import annotations

import argparse

import pytest
from pydantic import BaseModel
from pydantic.fields import Field
from softcore_runtime.cli.numbers import (
    WrongNumber,
    describe_range,
    is_whole,
    parse_count,
    read_count,
    read_percent,
    read_positive,
    read_share,
)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "¹"])
def test_a_count_is_a_whole_number_from_1(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number from 1, not"):
        parse_count(text)
    assert read_count(text) == WrongNumber(text, "a whole number from 1 up")


@pytest.mark.parametrize("text", ["0", "1", "-0.5", "nan", "inf", "x", ""])
def test_a_share_lies_between_0_and_1(text: str) -> None:
    assert read_share(text) == WrongNumber(text, "a number above 0 and below 1")


def test_numbers_at_the_ends_of_their_ranges() -> None:
    assert read_percent("99.999") == 99.999
    assert isinstance(read_percent("100"), WrongNumber)
    assert read_positive("1e-40") == 1e-40
    assert isinstance(read_positive("3.5e38"), WrongNumber)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"ge": 1, "le": 10_000}, "from 1 to 10000"),
        ({"ge": 0.5}, "from 0.5 up"),
        ({"gt": 0, "le": 60}, "above 0 and at most 60"),
        ({"gt": 0, "lt": 1}, "above 0 and below 1"),
        ({"ge": 0, "lt": 2**32}, "from 0 up and below 4294967296"),
        ({"lt": 3}, "below 3"),
        ({}, ""),
    ],
)
def test_ranges_in_words(bounds: dict[str, float], words: str) -> None:
    assert describe_range(Field(**bounds)) == words  # type: ignore[arg-type]


class _Model(BaseModel):
    count: int | None = None
    share: float = 0.5


def test_whole_numbers_are_told_from_others() -> None:
    assert is_whole(_Model.model_fields["count"])
    assert not is_whole(_Model.model_fields["share"])
