"""Features command: `softcore features`, which shows and deletes what exports keep of images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.errors import UsageError

from softcore_export.feature_store.feature_store import SIZE_VARIABLE, Contents, FeatureStore, find_store

__all__ = ["build_parser", "main"]

_DESCRIPTION = """\
Show what exports keep of images that they have looked at, so that the next export of the same images needn't
compute it again. Deleting it costs time and nothing else."""

_EPILOG = f"""\
examples:
  softcore features
  softcore features clean
  softcore features clean --keep 5
  {SIZE_VARIABLE}=50 softcore export ...    keep up to 50 GB (default 20); 0 keeps nothing

exit codes:
  0  done, 2  a mistake in the command, or entries that can't be deleted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore features` and return its exit code."""
    return run(build_parser(), arguments=arguments)


def build_parser() -> Parser:
    """Build the parser of `softcore features`."""
    parser = Parser("softcore features", _DESCRIPTION, _EPILOG, works_alone=True)
    parser.set_defaults(work=_show)
    clean = parser.add_command(
        "clean", "delete entries", "Delete entries, those first that were not used for longest.", work=_clean
    )
    clean.add_argument("--keep", metavar="GB", default="0", help="delete no more than leaves so many (0)")
    return parser


def _show(_options: argparse.Namespace) -> None:
    store = find_store()
    most = f"at most {_format(store.most)}" if store.most else "nothing is stored"
    print(f"{store.place}: {_describe(store.measure())}; {most} ({SIZE_VARIABLE})")


def _clean(options: argparse.Namespace) -> None:
    try:
        keep = float(options.keep)
    except ValueError:
        keep = -1
    if not 0 <= keep < 1e9:
        raise UsageError(f"--keep {options.keep}: must be a number of gigabytes from 0 up")
    store: FeatureStore = find_store()
    deleted = store.clean(int(keep * 1e9))
    print(f"{store.place}: deleted {_describe(deleted)}; left {_describe(store.measure())}")


def _describe(contents: Contents) -> str:
    entries = f"{contents.entries:,} entr{'y' if contents.entries == 1 else 'ies'}"
    return f"{entries}, {_format(contents.bytes)}"


def _format(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
