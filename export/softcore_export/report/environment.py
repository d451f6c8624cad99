"""Environment: the templates of the export's pages, in a language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from softcore_runtime.language.catalogue import Catalogue, Language

__all__ = ["make_environment"]

_PACKAGE = Path(__file__).parents[1]


def make_environment(language: Language, folders: Sequence[Path] = ()) -> Environment:
    """Make the environment, whose texts and numbers are in a language.

    Args:
        language: which.
        folders: of further templates, beside those of the report.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FileSystemLoader([*folders, Path(__file__).parent]),
    )
    catalogue = Catalogue(_PACKAGE, language)
    catalogue.install(environment)
    environment.filters.update(
        whole=lambda value: catalogue.number(f"{value:,}"),
        fixed=lambda value, digits: catalogue.number(f"{value:.{digits}f}"),
        digits=lambda value, digits: catalogue.number(f"{value:.{digits}g}"),
    )
    return environment
