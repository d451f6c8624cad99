"""Keys command: `softcore keys`, which makes keys, shows them, and signs bundles that are there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from softcore_runtime.bundle.threshold_change import sign_bundle
from softcore_runtime.cli.bundle_choice import choose_bundle
from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.signing.private_key import create_key, read_key
from softcore_runtime.signing.public_key import name_key

__all__ = ["build_parser", "main"]

_DESCRIPTION = """\
Make and show the keys that bundles are signed with, and sign bundles that were exported before.

KEY is a private key's file. Its public key is a line of text, for [trust] in the configuration of a line."""

_EPILOG = """\
examples:
  softcore keys new export.key
  softcore keys show export.key
  softcore keys sign export.key bundles/pill
  softcore keys sign quality.key bundles/pill --threshold

exit codes:
  0  done
  2  a mistake in the command, or a key or bundle that can't be read or written
  3  a fault of the bundle"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore keys` and return its exit code."""
    return run(build_parser(), arguments=arguments)


def build_parser() -> Parser:
    """Build the parser of `softcore keys`."""
    parser = Parser("softcore keys", _DESCRIPTION, _EPILOG)
    new = parser.add_command(
        "new",
        "make a key",
        "Make a private key, which only you can read, and print its public key.",
        work=_new,
    )
    show = parser.add_command(
        "show", "print a public key", "Print the public key of a private one.", work=_show
    )
    for command in (new, show):
        command.add_argument("key", type=Path, metavar="KEY", help="the private key's file")
    sign = parser.add_command(
        "sign",
        "sign a bundle",
        "Sign a bundle as it is now: its export and, where that was set later, its threshold. What others "
        "have signed stays. Look at the bundle first: you vouch for it.",
        work=_sign,
    )
    sign.add_argument("key", type=Path, metavar="KEY", help="the private key's file")
    sign.add_argument("bundle", metavar="BUNDLE", help="its folder, or the name of one under bundles/")
    sign.add_argument("--threshold", action="store_true", help="sign only a threshold that was set later")
    return parser


def _new(options: argparse.Namespace) -> None:
    key = create_key(options.key)
    print(f"{options.key}: a new key, {name_key(key.public)}; nobody else may have this file")
    print(key.public)


def _show(options: argparse.Namespace) -> None:
    print(read_key(options.key).public)


def _sign(options: argparse.Namespace) -> None:
    path = choose_bundle(options.bundle)
    roles = sign_bundle(path, options.key, threshold_only=options.threshold)
    name = name_key(read_key(options.key).public)
    print(f"{path}: signed by the key {name} ({' and '.join(roles)})")
