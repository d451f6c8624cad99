"""Option groups: options that several commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softcore_runtime.backends.engine import ENGINES, PROVIDERS
from softcore_runtime.language.catalogue import LANGUAGES

if TYPE_CHECKING:
    from argparse import _ActionsContainer

__all__ = ["add_engine_options", "add_language_option"]


def add_engine_options(
    options: _ActionsContainer, *, engine: str, provider: str, default: str | None = "auto"
) -> None:
    """Add `--engine` and `--provider`.

    Args:
        options: a parser, or a group of its options.
        engine: help of `--engine`.
        provider: help of `--provider`.
        default: of both.

    Example:
        >>> from softcore_runtime.cli.command_line import Parser
        >>> parser = Parser("softcore-try")
        >>> add_engine_options(parser, engine="what runs the network", provider="what computes")
        >>> parser.parse_args(["--provider", "cpu"])
        Namespace(engine='auto', provider='cpu')
    """
    options.add_argument("--engine", choices=("auto", *ENGINES), default=default, help=engine)
    options.add_argument("--provider", choices=("auto", *PROVIDERS), default=default, help=provider)


def add_language_option(options: _ActionsContainer, what: str) -> None:
    """Add `--language`; None where it isn't given, see `choose_language`.

    Args:
        options: a parser, or a group of its options.
        what: what is in the language, for the help.

    Example:
        >>> from softcore_runtime.cli.command_line import Parser
        >>> parser = Parser("softcore-try")
        >>> add_language_option(parser, "the report")
        >>> parser.parse_args(["--language", "de"])
        Namespace(language='de')
    """
    options.add_argument("--language", choices=LANGUAGES, help=f"language of {what} (that of the locale)")
