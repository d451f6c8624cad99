"""The command `softcore compare`."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from softcore_runtime import Inspector
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.backends.backbones import check_choice
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.cli.bundle_choice import choose_bundle
from softcore_runtime.cli.checks import gather_mistakes
from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.numbers import read_count
from softcore_runtime.cli.option_groups import add_engine_options, add_language_option
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.language.catalogue import choose_language

from softcore_calibration.cli.options import list_places
from softcore_calibration.cli.preflight import check_output_file
from softcore_calibration.data.samples import Sample, Samples, find_samples

if TYPE_CHECKING:
    from softcore_calibration.comparison.comparison import ComparedImage

__all__ = ["build_parser", "main"]

_DESCRIPTION = """\
Run two bundles of a product on the same images, and show which parts change sides: for a new bundle, before
it replaces the old one. Nothing is changed.

PATH is a folder of images, an image, a video, or a table (CSV with the columns path and label)."""

_EPILOG = """\
examples:
  softcore compare bundles/pill bundles/pill-new --data DATASETS/pill --report compare.html
  softcore compare bundles/pill bundles/pill-new --images archive/2026-11 --report compare.html
  softcore compare pill pill-new --good checked/good --bad checked/bad --no-worse

exit codes:
  0    compared
  1    with --no-worse: the new bundle is wrong about a part that the old one was right about
  2    a mistake in the command
  3    a fault of a bundle, or no image can be read
  70   a fault of SoftCore itself
  130  interrupted (Ctrl-C, SIGTERM)"""

_SHOWN = 10  # parts of each kind that are listed
_COLUMNS = (
    "path", "label", "old_decision", "new_decision", "old_score", "new_score", "old_ratio", "new_ratio",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore compare` and return its exit code."""
    return run(build_parser(), _work, arguments)


def build_parser() -> Parser:
    """Build the parser of `softcore compare`."""
    parser = Parser("softcore compare", _DESCRIPTION, _EPILOG)
    parser.add_argument("old", metavar="OLD", help="the bundle that is in use")
    parser.add_argument("new", metavar="NEW", help="the bundle that may replace it")
    images = parser.add_argument_group("images (default: the golden frames of both bundles)")
    for name, words in (
        ("images", "parts, labelled by the folder's layout if it is known, or not at all"),
        ("good", "good parts"),
        ("bad", "bad parts"),
        ("data", "both kinds: ROOT/CATEGORY in MVTec AD's layout (its test part), or a table"),
    ):
        images.add_argument(
            f"--{name}", type=Path, metavar="PATH", action="append", default=[], help=f"{words}; repeatable"
        )
    result = parser.add_argument_group("result")
    result.add_argument("--report", type=Path, metavar="FILE.html", help="write a page to look at")
    add_language_option(result, "the page")
    result.add_argument(
        "--csv", type=Path, metavar="FILE.csv", help="write a table with a row for each image"
    )
    result.add_argument(
        "--no-worse", action="store_true", help="exit with 1 if a labelled part is lost by the new bundle"
    )
    speed = parser.add_argument_group("speed")
    add_engine_options(
        speed,
        engine="what runs the networks; take the line's (auto)",
        provider="what computes; take the line's (auto: the first that can here)",
    )
    speed.add_argument("--threads", type=read_count, metavar="N", help="of networks and indexes (all)")
    return parser


def _work(options: argparse.Namespace) -> int:
    bundles: list[Path] = []
    labelled, unlabelled = Samples(), Samples()
    with gather_mistakes() as attempt:
        for name in (options.old, options.new):
            with attempt():
                bundles.append(choose_bundle(name))
                read_manifest(bundles[-1])
        with attempt():
            check_choice(options.engine, options.provider)
        for option, file in (("--report", options.report), ("--csv", options.csv)):
            with attempt():
                check_output_file(option, file)
        with attempt():
            labelled, unlabelled = _find_images(options)
    if not (labelled.files or unlabelled.files):
        if options.no_worse:
            raise UsageError("--no-worse: name labelled images, by --data or by --good and --bad")
        unlabelled = find_samples([(bundle / "golden", False) for bundle in bundles])
        print_message("no images are named: the golden frames of both bundles are compared")
    for samples in (labelled, unlabelled):
        for line in samples.layouts:
            print_message(line)
        for line in samples.omitted:
            print_message(f"warning: {line}")
    if options.no_worse and not labelled.files:
        raise UsageError("--no-worse: of none of these images it is known whether they are good")
    # Imported late, since it takes a second: --help and mistakes in the options are answered at once.
    from softcore_calibration.comparison.comparison import compare
    from softcore_calibration.comparison.page import describe_verdict, list_facts, write_page

    old, new = (
        Inspector.load(bundle, engine=options.engine, provider=options.provider, threads=options.threads)
        for bundle in bundles
    )
    found = compare(old, new, _label(labelled, unlabelled), labelled.count + unlabelled.count)
    if not found.images:
        faults = found.unread or [f"{name}: given both as good and as bad" for name in found.contradicted]
        raise DataError(f"none of the images could be compared; first fault: {faults[0]}")
    for line in found.unread:
        print_message(f"warning: {line}")
    for name in found.contradicted:
        print_message(f"warning: {name}: given both as good and as bad; it is left out")
    print(f"{bundles[0]} and {bundles[1]}, {len(found.images):,} images: {describe_verdict(found)}")
    for name, before, after in list_facts(found.old, found.new):
        print(f"  {name:<16} {before}" + ("" if before == after else f"  ->  {after}"))
    if found.gain:
        low, high = found.gain
        print(f"  {'AUROC gained':<16} between {low:+.4f} and {high:+.4f}, with 0.95 confidence")
    lost = [image for image in found.images if image.lost]
    for kind, images in (
        ("lost", lost),
        ("gained", [image for image in found.images if image.gained]),
        ("otherwise", [one for one in found.images if one.changed and not one.lost and not one.gained]),
    ):
        for image in images[:_SHOWN]:
            kind_of = {None: "", False: "good, ", True: "bad, "}[image.defective]
            print(f"  {kind:<16} {image.name}: {kind_of}{image.old.decision} -> {image.new.decision}")
        if len(images) > _SHOWN:
            print(f"  {kind:<16} and {len(images) - _SHOWN:,} more")
    if options.csv:
        _write_table(options.csv, found.images)
        print(f"  {'table':<16} {options.csv}")
    if options.report:
        write_page(options.report, found, old, new, choose_language(options.language))
        print(f"  {'report':<16} {options.report}")
    return 1 if options.no_worse and lost else 0


def _find_images(options: argparse.Namespace) -> tuple[Samples, Samples]:
    """Find the images whose labels are known, and the others."""
    known = [place for place in options.images if _is_labelled(place)]
    others = [(place, False) for place in options.images if place not in known]
    return find_samples([*list_places(options), *((place, None) for place in known)]), find_samples(others)


def _is_labelled(place: Path) -> bool:
    """Whether a table, or a folder's layout, says which of its images are good."""
    try:
        return bool(find_samples([(place, None)]).files)
    except UsageError:
        return False


def _label(labelled: Samples, unlabelled: Samples) -> Iterator[tuple[Sample, bool | None]]:
    yield from ((sample, sample.defective) for sample in labelled)
    yield from ((sample, None) for sample in unlabelled)


def _write_table(file: Path, images: Sequence[ComparedImage]) -> None:
    """Write a row for each image, the columns of `_COLUMNS`.

    Raises:
        UsageError: it can't be written there.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for image in images:
        label = {None: "", False: "good", True: "bad"}[image.defective]
        sides = (image.old, image.new)
        writer.writerow(
            [
                image.name,
                label,
                *(side.decision for side in sides),
                *(repr(side.score) for side in sides),
                *(f"{side.ratio:.6g}" for side in sides),
            ]
        )
    try:
        write_atomically(file, text.getvalue())
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror})") from error
