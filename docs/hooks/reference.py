"""The hook of the documents' site: fills in what pages say by a marker, so that nothing is written twice.

::

    <!-- generated: shared-options -->                     what every command takes
    <!-- generated: command softcore-edge ledger -->        a command, from its own parser
    <!-- generated: table MODULE:MODEL -->                  the keys of a pydantic model that a person writes
    <!-- generated: own-table MODULE:MODEL -->              those that it doesn't inherit
    <!-- generated: record MODULE:MODEL -->                 the fields of one that a program writes
    <!-- generated: variables MODULE:FUNCTION -->           environment variables, with the keys that they set
    <!-- generated: schema MODULE:NAME -->                  SQL statements, by the tables' names
"""

from __future__ import annotations

import importlib
import posixpath
import re
from collections.abc import Callable
from typing import Any

from commands import render_command, render_shared_options
from mkdocs.exceptions import PluginError
from mkdocs.plugins import get_plugin_logger
from models import render_record, render_table

__all__ = ["on_page_markdown"]

_MARKER = re.compile(r"^<!-- generated: (?P<kind>[\w-]+)(?: (?P<what>.+?))? -->$", re.MULTILINE)
_DOCUMENT = re.compile(r"docs/(?P<path>[\w/-]+\.md)")
_log = get_plugin_logger("reference")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the markers of a page by what they ask for."""
    source: str = page.file.src_uri
    if "```mermaid" in markdown:
        _log.warning(f"{source}: Mermaid needs a script from elsewhere to be drawn; commit an SVG")

    def fill(marker: re.Match[str]) -> str:
        kind, what = marker["kind"], marker["what"]
        if kind not in _RENDERERS:
            raise PluginError(f"{source}: {marker[0]}: there are {', '.join(_RENDERERS)}")
        return _link_documents(_RENDERERS[kind](what), source)

    return _MARKER.sub(fill, markdown)


def _link_documents(text: str, source: str) -> str:
    """Make links of the documents that help texts name by their paths in the repository."""

    def link(found: re.Match[str]) -> str:
        path = found["path"]
        return f"[{posixpath.basename(path)}]({posixpath.relpath(path, posixpath.dirname(source))})"

    return _DOCUMENT.sub(link, text)


def _render_schema(what: str) -> str:
    statements: dict[str, str] = _load(what)
    # A column a line; the sources put as many as fit.
    lines = [re.sub(r",\s+", ",\n    ", statement) + ";" for statement in statements.values()]
    return "\n".join(["```sql", *lines, "```"])


def _render_variables(what: str) -> str:
    variables: dict[str, str] = _load(what)()
    rows = [f"| `{variable}` | `{key}` |" for variable, key in variables.items()]
    return "\n".join(["| variable | key |", "|---|---|", *rows])


def _load(what: str) -> Any:
    module, _, name = what.partition(":")
    return getattr(importlib.import_module(module), name)


_RENDERERS: dict[str, Callable[[str], str]] = {
    "command": lambda what: render_command(what.split()),
    "own-table": lambda what: render_table(_load(what), own=True),
    "record": lambda what: render_record(_load(what)),
    "schema": _render_schema,
    "shared-options": lambda _: render_shared_options(),
    "table": lambda what: render_table(_load(what)),
    "variables": _render_variables,
}
