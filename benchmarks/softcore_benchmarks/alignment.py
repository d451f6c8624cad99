"""Alignment: what it gains where parts lie elsewhere, and what it costs where they don't.

    python -m softcore_benchmarks.alignment --data DATASETS --weights resnet18.pth --out benchmarks

Moves and turns the parts of the test images of `--moved` categories on their own background, and measures the
image AUROC without alignment and with each mode, the training images being as they are. Asks `--align auto`
on every category, as it is and with all parts moved and turned at random, and measures the AUROC with and
without what it says. ALIGNMENT.md and results/alignment.csv are written into --out; what is in there already
isn't measured again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from softcore_export.alignment.alignment_choice import AlignmentChoice, choose_alignment
from softcore_export.alignment.alignment_request import AlignmentRequest
from softcore_export.alignment.small_images import shrink_images, spread
from softcore_export.backbone.backbone import load_backbone
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing, align_frame
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.errors import AlignmentError
from softcore_runtime.images.image_file import read_image
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.features import compute_features
from softcore_runtime.inspection.replacements import find_uncovered
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.separation import auroc
from torch import nn

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.data.feature_store import Network
from softcore_benchmarks.data.moved import Move, draw_jitter, draw_moves, move_part
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.interleaving import Times, interleave
from softcore_benchmarks.measuring.results import make_results_folder, write_page

MOVES = ((0, 0), (10, 0), (30, 0), (80, 0), (0, 15), (30, 15))  # pixels and degrees
MODES: tuple[AlignmentRequest, ...] = ("none", "translation", "rigid")
JITTER = (30, 10)  # pixels of 512, and degrees
MOST = {"magnetic_tile": 300}  # training images
RATIO = 0.05
_ROUNDS = 40

Image = NDArray[np.uint8]
Row = dict[str, object]


@dataclass(frozen=True, eq=False)
class Features:
    """Features of frames that could be aligned.

    Attributes:
        patches: float32 `[n, P, d]`.
        outside: bool `[n, P]`, which patches show nothing of their frame.
        valid: bool `[N]`, which of the N frames these are.
    """

    patches: NDArray[np.float32]
    outside: NDArray[np.bool_]
    valid: NDArray[np.bool_]


def compute(network: Network, choice: AlignmentChoice, frames: Sequence[Image], name: str) -> Features:
    """Align frames, where the choice is to, and compute their features."""
    plain = network.preprocessing
    preprocessing = choice.align(plain)
    patches: list[NDArray[np.float32]] = []
    outside: list[NDArray[np.bool_]] = []
    valid = np.ones(len(frames), np.bool_)
    for number, frame in enumerate(track(frames, name)):
        image, uncovered = frame, np.array([], np.int64)
        height, width = frame.shape[:2]
        if isinstance(preprocessing, AlignedPreprocessing):
            try:
                aligned = preprocessing.align(frame)
            except AlignmentError:
                valid[number] = False
                continue
            image = aligned.image
            grid = _find_grid(patches)
            window = plain.window(height, width)
            uncovered = find_uncovered(aligned.registration, window, grid, height, width)
        patches.append(compute_features(network.backbone, plain, plain.apply(image)))
        outside.append(np.isin(np.arange(len(patches[-1])), uncovered))
    return Features(np.stack(patches), np.stack(outside), valid)


def _find_grid(patches: Sequence[NDArray[np.float32]]) -> tuple[int, int]:
    side = round(len(patches[0]) ** 0.5) if patches else 28
    return side, side


def measure(
    network: Network, choice: AlignmentChoice, train: Sequence[Image], tests: Mapping[str, Sequence[Image]],
    bad: NDArray[np.bool_], name: str,
) -> list[Row]:  # fmt: skip
    """Learn from frames, and return a row with the AUROC for each of several test sets.

    A frame that can't be aligned is INVALID, which counts as the highest score: the part doesn't pass.
    """
    learned_from = compute(network, choice, train, f"{name}: training")
    settings = ExportSettings(backbone="resnet18", coreset_ratio=RATIO)
    with hide_bars():
        learned = fit(
            learned_from.patches, _find_grid([*learned_from.patches[:1]]), settings, torch.device("cpu")
        )
    search = ExhaustiveSearch(learned.bank, learned.floors)
    rows: list[Row] = []
    for test, frames in tests.items():
        tested = compute(network, choice, frames, f"{name}: {test}")
        flat = tested.patches.reshape(-1, tested.patches.shape[2])
        distances = search.nearest(flat)[1].reshape(tested.outside.shape)
        scores = np.full(len(frames), np.finfo(np.float64).max)
        scores[tested.valid] = np.where(tested.outside, 0, distances).max(axis=1)
        rows.append(
            {
                "test": test,
                "auroc": auroc(scores[~bad], scores[bad]),
                "invalid_good": int((~tested.valid & ~bad).sum()),
                "invalid_bad": int((~tested.valid & bad).sum()),
                "invalid_training": int((~learned_from.valid).sum()),
            }
        )
    return rows


def choose(network: nn.Module, request: AlignmentRequest, frames: Sequence[Image]) -> AlignmentChoice:
    """Choose an alignment as an export does."""
    images = shrink_images(spread(frames))
    with hide_bars():
        return choose_alignment(request, images, Preprocessing(), network, torch.device("cpu"))


def time_frames(
    network: Network, choices: Mapping[AlignmentRequest, AlignmentChoice], frames: Sequence[Image]
) -> dict[str, Times]:
    """Time the network on a frame, and the alignment of the frame by each choice."""
    plain, backbone = network.preprocessing, network.backbone
    crops = [plain.apply(frame)[None] for frame in frames]

    def run_network(number: int) -> None:
        backbone.features(crops[number % len(crops)])

    def align(number: int, *, preprocessing: Preprocessing) -> None:
        align_frame(preprocessing, frames[number % len(frames)])

    subjects: dict[str, Callable[[int], None]] = {"network": run_network}
    for name, choice in choices.items():
        subjects[name] = partial(align, preprocessing=choice.align(plain))
    references: dict[str, str] = dict.fromkeys(choices, "network")
    return interleave(subjects, _ROUNDS, references)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("alignment", __doc__)
    parser.add_argument("--categories", nargs="+", help="for auto; default: all of --data")
    parser.add_argument(
        "--moved", nargs="+", default=["pill", "mvtec_pill"], help="categories whose parts are moved"
    )
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    file = make_results_folder(options.out) / "alignment.csv"
    known = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["kind", "data", "align"])
    rows: list[Row] = [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]
    network = Network.load("resnet18", options.weights, Preprocessing(), options.out / "work" / "networks")
    plain = load_backbone("resnet18", options.weights, (), Preprocessing().crop).network
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
                same = measure(network, choice, train, tests, category.bad, f"{folder.name}, {align}")
            rows += [{**row, **told} for row in same]
            pd.DataFrame(rows).to_csv(file, index=False)
    first = Category.find(find_categories(options.data, options.moved)[0])
    frames = [read_image(path) for path in first.test[:20]]
    choices = {mode: choose(plain, mode, [read_image(path) for path in first.train]) for mode in MODES[1:]}
    times = time_frames(network, choices, frames)
    print(write_page(options.out, "ALIGNMENT.md", _write(pd.DataFrame(rows), times, frames[0].shape)))


def _find(rows: list[Row], kind: str, data: str, align: str) -> list[Row]:
    return [row for row in rows if (row["kind"], row["data"], row["align"]) == (kind, data, align)]


def _plan(options: argparse.Namespace) -> Iterator[tuple[str, Path, Sequence[AlignmentRequest]]]:
    """Yield what is measured: how parts are moved, a category's folder, and the alignments."""
    for folder in find_categories(options.data, options.moved):
        yield "moved", folder, MODES
    for folder in find_categories(options.data, options.categories):
        yield "as they are", folder, ("none", "auto")
    for folder in find_categories(options.data, options.moved):
        yield "all moved", folder, ("none", "auto")


def _read(category: Category, kind: str) -> tuple[list[Image], dict[str, list[Image]]]:
    """Read training images and test sets."""
    train, test = ([read_image(path) for path in paths] for paths in (category.train, category.test))
    if kind == "as they are":
        return train, {"as they are": test}
    if kind == "all moved":
        moved = [
            [
                move_part(image, move)
                for image, move in zip(images, draw_jitter(len(images), *JITTER, seed), strict=True)
            ]
            for seed, images in enumerate((train, test))
        ]
        return moved[0], {f"up to {JITTER[0]} px, {JITTER[1]} deg": moved[1]}
    tests = {
        f"{distance} px, {angle} deg": [
            move_part(image, move)
            for image, move in zip(test, draw_moves(len(test), distance, angle), strict=True)
        ]
        for distance, angle in MOVES
    }
    return _move(train, [Move()] * len(train)), tests


def _move(images: Sequence[Image], moves: Sequence[Move]) -> list[Image]:
    return [move_part(image, move) for image, move in zip(images, moves, strict=True)]


def _write(table: pd.DataFrame, times: dict[str, Times], shape: tuple[int, ...]) -> list[str]:
    """Write the page."""
    moved = table[table["kind"] == "moved"]
    wide = moved.pivot_table(index=["data", "test"], columns="align", values="auroc", sort=False)
    said = table[table["kind"] != "moved"].pivot_table(
        index=["data", "kind"], columns="align", values="auroc", sort=False
    )
    reasons = table[table["align"] == "auto"].set_index(["data", "kind"])["said"]
    said = said.join(reasons[~reasons.index.duplicated()])
    invalid = table.groupby("align")[["invalid_good", "invalid_bad", "invalid_training"]].sum()
    height, width = shape[:2]
    return [
        "# Alignment",
        "Made by `python -m softcore_benchmarks.alignment`; ResNet-18, the default's memory bank with a "
        f"coreset ratio of {RATIO:g}. Image AUROC; a frame that can't be aligned is INVALID and counts as "
        "one that doesn't pass.",
        "## Parts that lie elsewhere than in training",
        "The parts of the test images are cut out and laid elsewhere on their own table, in a frame that is "
        "wider by a quarter; those of the training images stay. Pixels are the image's, of 512.",
        str(wide.reset_index().to_markdown(index=False, floatfmt=".4f")),
        "## What `--align auto` says, and what comes of it",
        "*All moved*: training and test images, by up to {} pixels along each side and {} degrees.".format(
            *JITTER
        ),
        str(said.reset_index().to_markdown(index=False, floatfmt=".4f")),
        "## INVALID",
        "Frames of all rows above that could not be aligned.",
        str(invalid.reset_index().to_markdown(index=False)),
        "## Time",
        f"Aligning a frame of {width} x {height} pixels takes "
        + " and ".join(f"{times[mode].ratio:.2f} ({mode})" for mode in MODES[1:])
        + " of the time of ResNet-18 on it, medians of interleaved runs.",
    ]


if __name__ == "__main__":
    sys.exit(main())
