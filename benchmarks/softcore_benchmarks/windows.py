"""Windows measured: small defects in frames of twelve megapixels, and oblong frames beside their pieces.

Frames are composed of real images (see `data.composed_frames`): trays of 48 pills with a real chip or a
drawn blob of 20 pixels, and strips of eight tiles. How well a strip can be inspected at all is shown by a
network that sees all of it at once, without windows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from softcore_export.backbone.backbone import load_backbone
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.memory_bank.leave_one_out import score_others
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime import Inspector, read_image
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.composed_frames import (
    compose_tray,
    cut_chips,
    draw_blob,
    join_tiles,
    paste_chip,
)
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser
from softcore_benchmarks.measuring.interleaving import calm_threads, interleave
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.results import make_results_folder, write_page

__all__ = ["compare_strips", "compare_trays"]

_PIECES = 8  # tiles of a strip
_SIDE = 224
_Image = NDArray[np.uint8]


def compare_trays(
    pills: Category, settings: ExportSettings, frames: int, rounds: int, tile: int
) -> list[dict[str, object]]:
    """Find chips and blobs of 20 pixels on trays, with one window and with tiles.

    Args:
        pills: the category that the trays are composed of.
        settings: how to train.
        frames: number of training frames, and of test frames of each kind.
        rounds: number of frames that are timed.
        tile: pixels of the frame that a tile shows.

    Returns:
        a row for each way.
    """
    rng = np.random.default_rng(0)
    kinds = pills.kinds
    train = [read_image(path) for path in pills.train]
    good = [read_image(path) for path, kind in zip(pills.test, kinds, strict=True) if kind == "good"]
    bad = [read_image(path) for path, kind in zip(pills.test, kinds, strict=True) if kind != "good"]
    chips = cut_chips(train, bad)
    tests: dict[str, list[_Image]] = {"good": [], "chip": [], "blob": []}
    for number in track(range(frames), "test trays"):
        tests["good"].append(compose_tray(good, rng))
        tests["chip"].append(paste_chip(compose_tray(good, rng), chips[number % len(chips)], rng))
        tests["blob"].append(draw_blob(compose_tray(good, rng), rng))
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write(folder / "tray", (compose_tray(train, rng) for _ in range(frames)))
        for request in (WindowRequest(keep_aspect=False), WindowRequest(tile=tile)):
            inspector = _export(folder, "tray", settings, request)
            scores = {kind: _score(inspector, images) for kind, images in tests.items()}
            rows.append(
                {
                    "windows": inspector.manifest.preprocessing.count,
                    "chip of 20 pixels": _auroc(scores["good"], scores["chip"]),
                    "blob of 20 pixels": _auroc(scores["good"], scores["blob"]),
                    "bank": inspector.manifest.bank.n,
                    **_time(inspector, tests["good"], rounds),
                }
            )
    return rows


def compare_strips(
    tiles: Category, settings: ExportSettings, strips: int, seed: int = 0
) -> list[dict[str, object]]:
    """Find a defective tile among the eight of a strip: squeezed, in windows, at once, and piece by piece.

    Args:
        tiles: the category that the strips are composed of.
        settings: how to train.
        strips: number of good, and of bad test strips.
        seed: of the choice of tiles.

    Returns:
        a row for each way; a strip's score by pieces is the highest of its pieces.
    """
    rng = np.random.default_rng(seed)
    train = [read_image(path) for path in tiles.train]
    kinds = tiles.kinds
    good = [read_image(path) for path, kind in zip(tiles.test, kinds, strict=True) if kind == "good"]
    bad = [read_image(path) for path, kind in zip(tiles.test, kinds, strict=True) if kind != "good"]
    chosen: list[list[_Image]] = []
    for number in range(2 * strips):
        pieces = [good[row] for row in rng.choice(len(good), _PIECES, replace=False)]
        if number >= strips:
            pieces[rng.integers(_PIECES)] = bad[rng.integers(len(bad))]
        chosen.append(pieces)
    joined = [join_tiles(pieces, _SIDE) for pieces in chosen]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        order = rng.permutation(len(train) // _PIECES * _PIECES).reshape(-1, _PIECES)
        _write(folder / "strip", (join_tiles([train[row] for row in some], _SIDE) for some in order))
        _write(folder / "piece", (join_tiles([train[row]], _SIDE) for row in order.ravel()))
        square = Preprocessing(resize=_SIDE, crop=_SIDE)
        settings = settings.model_copy(update={"preprocessing": square})
        for way, name, request in (
            ("squeezed", "strip", WindowRequest(keep_aspect=False)),
            ("windows", "strip", WindowRequest()),
            ("pieces one by one", "piece", WindowRequest()),
        ):
            inspector = _export(folder, name, settings, request)
            if name == "strip":
                scores = _score(inspector, joined)
            else:
                pieces = [join_tiles([tile], _SIDE) for some in chosen for tile in some]
                scores = _score(inspector, pieces).reshape(-1, _PIECES).max(axis=1)
            count = inspector.manifest.preprocessing.count
            rows.append({"way": way, "windows": count, "AUROC": _auroc(scores[:strips], scores[strips:])})
        scores = _score_at_once(_read(folder / "strip"), joined, settings)
        rows.append({"way": "at once", "windows": 0, "AUROC": _auroc(scores[:strips], scores[strips:])})
    return rows


def _score_at_once(
    train: Iterator[_Image], test: Sequence[_Image], settings: ExportSettings
) -> NDArray[np.float64]:
    """Score strips, float64 `[M]`, by a network that sees all of a strip at once, without windows."""
    network = load_backbone(settings.backbone, settings.weights).network

    @torch.no_grad()
    def compute(image: _Image) -> NDArray[np.float32]:
        features: NDArray[np.float32] = network(torch.from_numpy(image[None]))[0].numpy()
        return features

    features = np.stack([compute(image) for image in track(list(train), "at once")])
    cpu, side = torch.device("cpu"), _SIDE // 8  # the network's stride
    learned = fit(features, (side, features.shape[1] // side), settings, cpu)
    tested = (compute(image) for image in track(test, "at once"))
    return score_others(tested, learned.bank, learned.weights, cpu, learned.floors)


def _read(folder: Path) -> Iterator[_Image]:
    return (read_image(path) for path in sorted(folder.iterdir()))


def _write(folder: Path, images: Iterator[_Image]) -> None:
    folder.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number:04}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _export(folder: Path, name: str, settings: ExportSettings, request: WindowRequest) -> Inspector:
    target = folder / "bundles" / name
    export(TrainingImages.find(folder / name), target, settings.model_copy(update={"windows": request}))
    return Inspector.load(target)


def _score(inspector: Inspector, images: Sequence[_Image]) -> NDArray[np.float64]:
    return np.array([inspector.inspect(image).score for image in track(images, "inspected")])


def _auroc(good: NDArray[np.float64], bad: NDArray[np.float64]) -> float:
    labels = np.repeat([0, 1], [len(good), len(bad)])
    return round(float(roc_auc_score(labels, np.concatenate([good, bad]))), 3)


def _time(inspector: Inspector, frames: Sequence[_Image], rounds: int) -> dict[str, object]:
    """Time `decide` and `inspect` on good frames, as ratios to the network on the same windows."""
    preprocessing = inspector.manifest.preprocessing

    def on(use: Callable[[_Image], object]) -> Callable[[int], None]:
        def work(number: int) -> None:
            use(frames[number % len(frames)])

        return work

    features = inspector.backbone.features(
        preprocessing.cut(frames[0])
    )  # new memory each time would cost more

    times = interleave(
        {
            "network": on(lambda frame: inspector.backbone.features(preprocessing.cut(frame), features)),
            "decide": on(inspector.decide),
            "inspect": on(inspector.inspect),
        },
        rounds,
        {"decide": "network", "inspect": "network"},
    )
    return {
        "network ms": round(times["network"].median),
        "decide": times["decide"].ratio,
        "inspect": times["inspect"].ratio,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("windows", __doc__)
    add = parser.add_argument
    add("--frames", type=int, default=30, help="training trays, and test trays of each kind")
    add("--strips", type=int, default=100, help="test strips of each kind")
    add("--rounds", type=int, default=15, help="trays that are timed")
    add("--tile", type=int, default=400, help="pixels of a tray that a tile shows")
    add("--only", choices=("trays", "strips"))
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    calm_threads()
    check_weights(options.weights)
    settings = ExportSettings(backbone="resnet18", weights=options.weights, coreset_ratio=0.01)
    page = [
        "# Windows",
        "Made by `python -m softcore_benchmarks.windows`; ResNet-18, input of 224 pixels, coreset ratio "
        f"{settings.coreset_ratio}, the other settings the defaults. {describe_machine()}",
    ]
    results = make_results_folder(options.out)
    if options.only != "strips":
        pills = Category.find(options.data / "pill")
        table = pd.DataFrame(compare_trays(pills, settings, options.frames, options.rounds, options.tile))
        table.to_csv(results / "windows-trays.csv", index=False)
        page += [
            "## Small defects in large frames",
            "Trays of 48 real pills, 4000 x 3000 pixels, in colour and with a camera's noise: "
            f"{options.frames} to train on; to test, {options.frames} good ones and as many with a defect of "
            "each kind: a real chip scaled to 20 pixels, a round blob that is 10 % darker. Image AUROC. "
            f"Tiles show {options.tile} pixels of the frame. `decide` and `inspect` on good trays, as ratios "
            "to the network on the same windows, resizing included.",
            str(table.to_markdown(index=False)),
        ]
    if options.only != "trays":
        tiles = Category.find(options.data / "magnetic_tile")
        table = pd.DataFrame(compare_strips(tiles, settings, options.strips))
        table.to_csv(results / "windows-strips.csv", index=False)
        page += [
            "## Oblong frames",
            f"Strips of eight real tiles, 1792 x 224 pixels: {options.strips} good ones, as many with a "
            "defective tile. Image AUROC of strips; by pieces, a strip's score is the highest of its tiles. "
            "*At once*: a network sees all of a strip, without windows. What that loses against the pieces "
            "lies in the seams, where two tiles meet that never met in training.",
            str(table.to_markdown(index=False)),
        ]
    print(write_page(options.out, "WINDOWS.md", page))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
