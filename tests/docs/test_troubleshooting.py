"""The page of troubleshooting quotes what the code says, and leaves no error out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from softcore_edge_app.decisions.invalid_kinds import LineKind, phrase_reason
from softcore_runtime import errors

from .messages import Message, count_letters, read_messages, read_quotes

ROOT = Path(__file__).parents[2]
PACKAGES = ("runtime", "export", "calibration", "edge_app")
SHORTEST = 8  # letters of a text that says something by itself

MESSAGES = [message for name in PACKAGES for message in read_messages(ROOT / name)]
QUOTES = list(read_quotes(ROOT / "docs" / "troubleshooting.md"))


def test_each_quoted_message_is_in_the_code() -> None:
    assert len(QUOTES) > 200
    stale = [quote for quote in QUOTES if not any(one.fits(text) for text in read(quote) for one in MESSAGES)]
    assert not stale, "\n".join(stale)


def test_each_error_of_the_code_is_on_the_page() -> None:
    raised = [one for one in MESSAGES if one.raised and one.size >= SHORTEST]
    assert len(raised) > 200
    missing = [f"{one.place}: {one.text}" for one in raised if not any(tells(quote, one) for quote in QUOTES)]
    assert not missing, "\n".join(missing)


def test_no_message_is_quoted_twice_in_a_table() -> None:
    lines = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert [row for row, count in Counter(rows).items() if count > 1] == []


def test_each_class_of_error_is_on_the_page_with_its_exit_code() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    for name in errors.__all__:
        assert f"\n| `{name}` | {getattr(errors, name).exit_code} | " in page


def read(quote: str) -> list[str]:
    """Return what the code may say of a quote: all of it, or what follows how reasons of a kind begin."""
    beginnings = [phrase_reason(kind, "") for kind in get_args(LineKind)]
    return [quote, *(quote.removeprefix(words) for words in beginnings if quote.startswith(words))]


def tells(quote: str, message: Message) -> bool:
    """Tell whether a quote is of this very message, rather than a few words that are in many."""
    return message.fits(quote) and 2 * count_letters(quote) >= message.size


@pytest.mark.parametrize(
    ("quote", "fits"),
    [
        ("…: no such folder", True),
        ("no such folder…have you", True),
        ("…: no such file", False),
        ("have you…no such folder", False),
    ],
)
def test_a_quote_fits_where_its_parts_stand_in_their_order(quote: str, fits: bool) -> None:
    assert Message("a.py:1", "…: no such folder; have you made …?", raised=True).fits(quote) is fits


def test_texts_are_read_from_the_code(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        'raise UsageError(f"{path}: no such " f"folder")\n'
        '_log.warning("%s: lost", name)\n'
        'why = "is just " + end\n'
        'raise ValueError("a fault of the programmer")\n'
    )
    told = {message.text: message.raised for message in read_messages(tmp_path)}
    assert told == {
        "…: no such folder": True,
        "…: lost": True,
        "is just …": False,
        "a fault of the programmer": False,
    }


def test_quotes_are_read_from_tables_of_messages_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`not`\n\n| message | do |\n|---|---|\n| `a`<br>`b` | `c` |\n\n| other |\n|---|\n| `d` |\n"
    )
    assert list(read_quotes(page)) == ["a", "b"]
