"""Commands: what the measurements' command lines have in common."""

from __future__ import annotations

from pathlib import Path

from softcore_runtime.cli.command_line import Parser
from softcore_runtime.errors import UsageError

__all__ = ["check_weights", "make_data_parser", "make_parser"]


def make_parser(module: str, documentation: str | None) -> Parser:
    """Return a parser whose help is a module's docstring.

    Args:
        module: name within `softcore_benchmarks`, such as `line.faults`.
        documentation: the module's `__doc__`.
    """
    description, _, rest = (documentation or "").partition("\n\n")
    return Parser(f"python -m softcore_benchmarks.{module}", description, rest)


def make_data_parser(module: str, documentation: str | None) -> Parser:
    """Return a parser with `--data`, `--weights` and `--out`, all of which measurements on images take."""
    parser = make_parser(module, documentation)
    parser.add_argument("--data", type=Path, required=True, help="categories in MVTec AD's layout")
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--out", type=Path, default=Path("paper"), help="folder (default: %(default)s)")
    return parser


def check_weights(weights: Path | None) -> None:
    """Check that a file of weights exists, if one is named.

    Raises:
        UsageError: it doesn't.
    """
    if weights and not weights.is_file():
        raise UsageError(f"{weights}: no such file")
