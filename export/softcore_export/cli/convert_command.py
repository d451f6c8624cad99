"""The option `--convert` of `softcore-export`: rewrites bundles of earlier formats."""

from __future__ import annotations

import argparse

from softcore_runtime.cli.bundle_choice import choose_bundle
from softcore_runtime.cli.checks import gather_mistakes
from softcore_runtime.errors import UsageError

from softcore_export.conversion import convert

__all__ = ["convert_bundles"]


def convert_bundles(options: argparse.Namespace) -> int:
    """Convert the bundles of `--convert`, each by itself, and return the exit code.

    Raises:
        UsageError: another option asks for an export.
        SoftCoreError: a bundle can't be converted; the others are.
    """
    given = {
        "--demo": options.demo,
        "--data": options.data,
        "--review": options.review,
        "--good": options.good,
        "--bad": options.bad,
        "--labels": options.labels,
        "--sign": options.sign,
    }
    if unwanted := next((name for name, value in given.items() if value), ""):
        raise UsageError(f"--convert: rewrites bundles and learns nothing; leave out {unwanted}")
    with gather_mistakes() as attempt:
        for name in options.convert:
            with attempt():
                print(convert(choose_bundle(name), options.engine, options.provider))
    return 0
