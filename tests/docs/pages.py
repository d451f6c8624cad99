"""Pages: the code blocks of a Markdown page, in the order in which a reader meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "read_blocks"]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)(?P<more>.*)$")
_TITLE = re.compile(r'title="([^"]*)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: the file.
        line: the number of its first line of code, from 1.
        language: `console`, `python`, ...; empty where the page doesn't say.
        title: what stands above it on the site; empty without one.
        text: the code.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def commands(self) -> tuple[str, ...]:
        r"""The commands of a console block: the lines after `$ `, continued after a `\` at the end."""
        found: list[str] = []
        continued = False
        for line in self.text.splitlines():
            if continued:
                found[-1] += "\n" + line.removeprefix("> ")
            elif line.startswith("$ "):
                found.append(line.removeprefix("$ "))
            continued = line.endswith("\\") and (continued or line.startswith("$ "))
        return tuple(found)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def read_blocks(page: Path) -> Iterator[Block]:
    """Read the fenced blocks of a page.

    Raises:
        ValueError: a block has no end.
    """
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    for number, line in lines:
        if not (opening := _FENCE.match(line)):
            continue
        indent = len(opening["indent"])
        code = []
        for _, inner in lines:
            if inner.strip() == "```":
                break
            code.append(inner[indent:])
        else:
            raise ValueError(f"{page}:{number}: this block has no end")
        title = _TITLE.search(opening["more"])
        yield Block(page, number + 1, opening["language"], title[1] if title else "", "\n".join(code))
