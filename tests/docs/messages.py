"""Messages: the texts that the packages' code prints, and those that a page quotes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime import errors

__all__ = ["HOLE", "Message", "read_messages", "read_quotes"]

HOLE = "…"  # stands for what differs from case to case, in the code as on the page
_OTHERS = {"AgreementError", "ArgumentTypeError", "ConfigurationError", "MistakesError"}
_ERRORS = {*errors.__all__, *_OTHERS} - {
    "MissingLibraryError"
}  # which takes names, and words the text itself
_LOUD = {"warning", "error"}  # of loggers
_PLACEHOLDER = re.compile(r"%(?:[-\d.]*[sdrfg])")
_QUOTE = re.compile(r"`([^`]+)`")
_HEAD = "| message |"


@dataclass(frozen=True)
class Message:
    """A text of the code.

    Attributes:
        place: file and line.
        text: with `HOLE` for each value.
        raised: whether it is one of SoftCore's errors or a warning, and not just any text.
    """

    place: str
    text: str
    raised: bool

    def fits(self, quote: str) -> bool:
        """Tell whether it is what a page quotes: all parts of the quote are in it, in their order."""
        start = 0
        for part in quote.split(HOLE):
            found = self.text.find(part, start)
            if found < 0:
                return False
            start = found + len(part)
        return True

    @property
    def size(self) -> int:
        """The number of letters that don't differ."""
        return count_letters(self.text)


def count_letters(text: str) -> int:
    """Count letters; not what only separates."""
    return sum(map(str.isalpha, text))


def read_messages(folder: Path) -> Iterator[Message]:
    """Read all texts of the Python files under a folder."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        raised = {id(inner) for node in _find_calls(tree) for inner in node.args}
        skipped: set[int] = set()
        for node in ast.walk(tree):
            if id(node) in skipped or (text := _write(node)) is None:
                continue
            skipped.update(id(inner) for inner in ast.walk(node) if inner is not node and _is_joined(node))
            place = f"{path.relative_to(folder.parent)}:{getattr(node, 'lineno', 0)}"
            yield Message(place, text, id(node) in raised)


def _is_joined(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr | ast.BinOp)


def _find_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        logs = name in _LOUD and ast.unparse(node.func).lower().startswith(("_log", "log"))
        if name in _ERRORS or logs:
            yield node


def _write(node: ast.AST) -> str | None:
    """Write a text's literal parts, and `HOLE` for the rest; None where it is no text."""
    if isinstance(node, ast.Constant):
        return _PLACEHOLDER.sub(HOLE, node.value) if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_write(part) or HOLE for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = _write(node.left), _write(node.right)
        return None if parts == (None, None) else "".join(part or HOLE for part in parts)
    return None


def read_quotes(page: Path) -> Iterator[str]:
    """Read the messages that a page quotes: code in the first column of tables that are headed so."""
    within = False
    for line in page.read_text(encoding="utf-8").splitlines():
        within = line.startswith(_HEAD) or (within and line.startswith("|"))
        if within:
            yield from _QUOTE.findall(line.split(" | ")[0])
