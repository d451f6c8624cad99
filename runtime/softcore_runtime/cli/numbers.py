"""Numbers: the numbers that options take, and the words that say which these are."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from softcore_runtime.cli.checks import MistakesError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = [
    "WrongNumber",
    "check_numbers",
    "describe_range",
    "is_whole",
    "parse_count",
    "read_count",
    "read_percent",
    "read_positive",
    "read_share",
]


@dataclass(frozen=True)
class WrongNumber:
    """What was given for a number, and what is wanted: kept until `check_numbers` reports all of them."""

    given: str
    wanted: str


def parse_count(text: str) -> int:
    """Read a whole number from 1 up; argparse reports a mistake at once.

    Raises:
        ArgumentTypeError: it is something else.

    Example:
        >>> parse_count("3")
        3
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def read_count(text: str) -> int | WrongNumber:
    """Read a whole number from 1 up.

    Example:
        >>> read_count("3"), read_count("0").wanted
        (3, 'a whole number from 1 up')
    """
    return int(text) if text.isdecimal() and int(text) else WrongNumber(text, "a whole number from 1 up")


def read_share(text: str) -> float | WrongNumber:
    """Read a number above 0 and below 1.

    Example:
        >>> read_share("0.05"), read_share("5").wanted
        (0.05, 'a number above 0 and below 1')
    """
    return _read_between(text, 0, 1, "above 0 and below 1")


def read_percent(text: str) -> float | WrongNumber:
    """Read a number above 0 and below 100.

    Example:
        >>> read_percent("99.5")
        99.5
    """
    return _read_between(text, 0, 100, "above 0 and below 100")


def read_positive(text: str) -> float | WrongNumber:
    """Read a number above 0 that fits into float32.

    Example:
        >>> read_positive("12.1"), read_positive("inf").wanted
        (12.1, 'a number above 0')
    """
    return _read_between(text, 0, float(np.finfo(np.float32).max), "above 0")


def check_numbers(options: argparse.Namespace) -> None:
    """Check that no option has a `WrongNumber`.

    Raises:
        MistakesError: some have; all of them are reported.

    Example:
        >>> check_numbers(argparse.Namespace(max_escape=read_share("2")))
        Traceback (most recent call last):
            ...
        softcore_runtime.cli.checks.MistakesError: --max-escape 2: must be a number above 0 and below 1
    """
    wrong = {name: value for name, value in vars(options).items() if isinstance(value, WrongNumber)}
    if wrong:
        raise MistakesError(
            [
                f"--{name.replace('_', '-')} {value.given}: must be {value.wanted}"
                for name, value in wrong.items()
            ]
        )


def is_whole(field: FieldInfo) -> bool:
    """Return whether a field of a pydantic model takes whole numbers."""
    return int in (field.annotation, *get_args(field.annotation))


def describe_range(field: FieldInfo) -> str:
    """Describe the range of the numbers that a field of a pydantic model takes; empty if it has none.

    Example:
        >>> from pydantic.fields import Field
        >>> describe_range(Field(ge=1, le=60)), describe_range(Field(ge=1)), describe_range(Field(gt=0, lt=1))
        ('from 1 to 60', 'from 1 up', 'above 0 and below 1')
    """
    bounds: dict[str, Any] = {
        name: f"{getattr(data, name):g}" if isinstance(getattr(data, name), float) else getattr(data, name)
        for data in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if getattr(data, name, None) is not None
    }
    if "ge" in bounds and "le" in bounds:
        return f"from {bounds['ge']} to {bounds['le']}"
    lower = {"ge": "from {} up", "gt": "above {}"}
    upper = {"le": "at most {}", "lt": "below {}"}
    words = {**lower, **upper}
    return " and ".join(words[name].format(bounds[name]) for name in words if name in bounds)


def _read_between(text: str, low: float, high: float, words: str) -> float | WrongNumber:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    return value if low < value < high else WrongNumber(text, f"a number {words}")
