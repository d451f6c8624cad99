"""Alignment: what it gains where parts lie elsewhere, and what it costs where they don't.

    python -m softcore_benchmarks.alignment --data DATASETS --weights resnet18.pth --out benchmarks

Moves and turns the parts of the test images of `--moved` categories on their own background, and measures the
image AUROC without alignment and with each mode, the training images being as they are. Asks `--align auto`
on every category, as it is, with defects among the training images (which stay in the test), and with all
parts moved and turned at random, and measures the AUROC with and without what it says. ALIGNMENT.md and
results/alignment.csv are written into --out; what is in there already isn't measured again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from softcore_export.alignment.alignment_request import AlignmentRequest
from softcore_export.backbone.backbone import load_backbone
from softcore_export.settings import ExportSettings
from softcore_runtime.cli.command_line import run
from softcore_runtime.images.image_file import read_image

from softcore_benchmarks.alignment.measurement import MODES, Image, Row, choose, measure, time_frames
from softcore_benchmarks.alignment.report import JITTER, write_report
from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.data.feature_store import Network
from softcore_benchmarks.data.moved import Move, draw_jitter, draw_moves, move_part
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.protocol.noise import draw_noise

MOVES = ((0, 0), (10, 0), (30, 0), (80, 0), (0, 15), (30, 15))  # pixels and degrees
NOISE = 0.1
DEFECTIVE = f"{NOISE:.0%} defective"
MOST = {"magnetic_tile": 300}  # training images


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("alignment", __doc__)
    parser.add_argument("--categories", nargs="+", help="for auto; default: all of --data")
    parser.add_argument(
        "--moved", nargs="+", default=["pill", "mvtec_pill"], help="categories whose parts are moved"
    )
    parser.add_argument("--device", default="cpu", help="that draws memory banks (default: %(default)s)")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    file = make_results_folder(options.out) / "alignment.csv"
    known = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["kind", "data", "align"])
    rows: list[Row] = [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]
    usual = ExportSettings().preprocessing
    network = Network.load("resnet18", options.weights, usual, options.out / "work" / "networks")
    plain = load_backbone("resnet18", options.weights, (), usual.crop).network
    for kind, folder, aligns in _plan(options):
        wanted = [align for align in aligns if not _find(rows, kind, folder.name, align)]
        if not wanted:
            continue
        category = Category.find(folder, MOST.get(folder.name))
        train, tests = _read(category, kind)
        for align in wanted:
            choice = choose(plain, align, train)
            told = {"kind": kind, "data": folder.name, "align": align, "said": choice.describe()}
            same = _find(rows, kind, folder.name, "none")
            if align == "none" or choice.reference is not None:
                name, device = f"{folder.name}, {align}", torch.device(options.device)
                same = measure(network, choice, train, tests, category.bad, name, device)
            rows += [{**row, **told} for row in same]
            pd.DataFrame(rows).to_csv(file, index=False)
    first = Category.find(find_categories(options.data, options.moved)[0])
    frames = [read_image(path) for path in first.test[:20]]
    choices = {mode: choose(plain, mode, [read_image(path) for path in first.train]) for mode in MODES[1:]}
    times = time_frames(network, choices, frames)
    print(write_page(options.out, "ALIGNMENT.md", write_report(pd.DataFrame(rows), times, frames[0].shape)))


def _find(rows: list[Row], kind: str, data: str, align: str) -> list[Row]:
    return [row for row in rows if (row["kind"], row["data"], row["align"]) == (kind, data, align)]


def _plan(options: argparse.Namespace) -> Iterator[tuple[str, Path, Sequence[AlignmentRequest]]]:
    """Yield what is measured: how parts are moved, a category's folder, and the alignments."""
    for folder in find_categories(options.data, options.moved):
        yield "moved", folder, MODES
    for folder in find_categories(options.data, options.categories):
        yield "as they are", folder, ("none", "auto")
        yield DEFECTIVE, folder, ("none", "auto")
    for folder in find_categories(options.data, options.moved):
        yield "all moved", folder, ("none", "auto")


def _read(category: Category, kind: str) -> tuple[list[Image], dict[str, list[Image]]]:
    """Read training images and test sets."""
    train, test = ([read_image(path) for path in paths] for paths in (category.train, category.test))
    if kind == DEFECTIVE:
        drawn = draw_noise(category.test, category.defects, len(train), NOISE)
        train += [test[row] for row in drawn]
    if kind in ("as they are", DEFECTIVE):
        return train, {kind: test}
    if kind == "all moved":
        moved, tested = (
            _move(images, draw_jitter(len(images), *JITTER, seed))
            for seed, images in enumerate((train, test))
        )
        return moved, {f"up to {JITTER[0]} px, {JITTER[1]} deg": tested}
    tests = {
        f"{distance} px, {angle} deg": _move(test, draw_moves(len(test), distance, angle))
        for distance, angle in MOVES
    }
    return _move(train, [Move()] * len(train)), tests


def _move(images: Sequence[Image], moves: Sequence[Move]) -> list[Image]:
    return [move_part(image, move) for image, move in zip(images, moves, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
