"""Template: loads the page templates of reports."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from softcore_runtime.missing_library import explain_import

try:
    from jinja2 import Environment, StrictUndefined, Template
except ImportError as error:  # pragma: no cover - seen in a subprocess
    raise explain_import(error, "edge") from error

__all__ = ["load_template"]


@cache
def load_template(file: Path) -> Template:
    """Load a template; what it shows is escaped, and a name that nobody gave is an error."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(file.read_text("utf-8"))
