"""Backbones command: `softcore backbones`, which lists the networks that can be used as a backbone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from softcore_runtime.cli.command_line import Parser, run

from softcore_export.backbone.offer import BackboneOffer, find_cache, list_offers
from softcore_export.settings import ExportSettings

__all__ = ["build_parser", "main"]

_DESCRIPTION = """\
List the networks that can be used as a backbone: parameters, size of the weights, dimension of a patch's
features, licences, and whether the weights are here. Nothing is downloaded."""

_EPILOG = """\
examples:
  softcore backbones
  softcore backbones --all
  softcore export --category pill --data DATASETS --backbone resnet18

exit codes:
  0  done, 2  a mistake in the command, or torchvision is not installed"""

_DEFAULT = ExportSettings.model_fields["backbone"].default
_TITLES = ("backbone", "parameters", "weights", "features", "code", "weights' licence", "here")
_NOTES = (
    "*  torchvision states no licence of its own for these weights. They were learned from ImageNet-1K,",
    "   whose terms of access allow research that is not commercial: find out whether your use is allowed.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore backbones` and return its exit code."""
    return run(build_parser(), _work, arguments)


def build_parser() -> Parser:
    """Build the parser of `softcore backbones`."""
    parser = Parser("softcore backbones", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--all",
        action="store_true",
        help="also those that lack the layers taken by default, so that they need --layers",
    )
    return parser


def _work(options: argparse.Namespace) -> None:
    offers = list_offers()
    shown = [offer for offer in offers if options.all or offer.features is not None]
    for line in _describe(shown):
        print(line.rstrip())
    print()
    print("\n".join(_NOTES))
    print(f"Weights are downloaded to {find_cache()}; softcore-export --weights FILE takes a file instead.")
    if len(shown) < len(offers):
        print(f"{len(offers) - len(shown)} more of torchvision need --layers: softcore backbones --all")


def _describe(offers: Sequence[BackboneOffer]) -> Iterator[str]:
    """Write a table, each column as wide as its widest cell."""
    rows = [_TITLES, *(_fill_row(offer) for offer in offers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, range(len(row)), strict=True)
        yield "  ".join(
            cell.rjust(width) if 0 < place < 4 else cell.ljust(width) for cell, width, place in cells
        )


def _fill_row(offer: BackboneOffer) -> tuple[str, ...]:
    return (
        f"{offer.name} (default)" if offer.name == _DEFAULT else offer.name,
        "-" if offer.parameters is None else f"{offer.parameters / 1e6:.1f} M",
        "-" if offer.megabytes is None else f"{offer.megabytes:.0f} MB",
        "--layers" if offer.features is None else str(offer.features),
        offer.code_licence,
        offer.weights_licence,
        "yes" if offer.is_here else "no",
    )
