"""Scaling: what a decision costs as the memory bank grows, and with several cameras in one batch.

    python -m softcore_benchmarks.scaling --data DATASETS --weights resnet18.pth --out DIR

Banks of 1,000 to 80,000 real patches of `pill` (its training pictures and half of its good test pictures, at
growing coreset ratios); the other good test pictures are timed, whole frame to decision, all banks in turn in
one process. The limit of each bank is the highest score of any good picture, so that all of them pass. Writes
`scaling.json`, `scaling.md` and `scaling.png`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from softcore_export.backbone import load_backbone
from softcore_export.coreset import draw_coreset
from softcore_export.hints import learn_hints
from softcore_export.index import build_index
from softcore_export.leave_one_out import leave_one_out
from softcore_export.network import open_network
from softcore_export.settings import ExportSettings
from softcore_runtime.engine import Backbone
from softcore_runtime.pictures import read_picture
from softcore_runtime.preprocessing import Preprocessing
from softcore_runtime.search import Search

from softcore_benchmarks.category import Category
from softcore_benchmarks.interleaving import calm_threads, interleave

mpl.use("Agg")
from matplotlib import pyplot as plt

SIZES = (1_000, 5_000, 20_000, 80_000)
CAMERAS = (1, 2, 4)
_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Line:
    """A network and a memory bank: what `Inspector` does with a frame, without a bundle."""

    backbone: Backbone
    search: Search
    limit: float
    preprocessing: Preprocessing

    def decide(self, frames: Sequence[NDArray[np.uint8]]) -> list[bool]:
        """Decide on one frame a camera."""
        crops = np.stack([self.preprocessing.apply(frame) for frame in frames])
        found = enumerate(self.backbone.features(crops))
        return [self.search.decide(patches, self.limit, camera).above for camera, patches in found]

    def inspect(self, frames: Sequence[NDArray[np.uint8]]) -> list[bool]:
        """Decide on one frame a camera and score all patches."""
        crops = np.stack([self.preprocessing.apply(frame) for frame in frames])
        found = enumerate(self.backbone.features(crops))
        return [self.search.inspect(patches, self.limit, camera)[0].above for camera, patches in found]


def learn(
    features: NDArray[np.float32],
    timed: NDArray[np.float32],
    size: int,
    backbone: Backbone,
    preprocessing: Preprocessing,
) -> tuple[Line, dict[str, object]]:
    """Learn a bank of `size` of the patches of `features` `[N, P, d]`, and say how it came out.

    Its limit lets all of `timed` `[T, P, d]` pass too.
    """
    pictures, positions, dim = features.shape
    kept = np.ones((pictures, positions), np.bool_)
    picture, position = np.divmod(draw_coreset(features, kept, size, 0, _CPU), positions)
    bank, weights = features[picture, position], np.ones(len(picture), np.float32)
    built = build_index(bank, timed.reshape(-1, dim)[:2000], 0)
    owners = picture.astype(np.int32)
    left_out = leave_one_out(features, bank, owners, _CPU)
    hints, record = learn_hints(features, bank, weights, owners, left_out, kept)
    search = Search(bank, weights, built.index, hints)
    highest = [search.inspect(patches, float("inf"))[0].score for patches in timed]
    limit = max(float(left_out.scores(weights).max()), *highest)
    line = Line(backbone, Search(bank, weights, built.index, hints), limit, preprocessing)
    return line, {"bank": len(bank), "hints": record.count, "left_open": record.left_open, "limit": limit}


def measure(category: Category, weights: Path, sizes: Sequence[int], rounds: int) -> dict[str, object]:
    """Learn all banks, then time them in turn."""
    settings = ExportSettings(backbone="resnet18", weights=weights)
    preprocessing = settings.preprocessing
    good = [path for path, bad in zip(category.test, category.bad, strict=True) if not bad]
    learned_from = [read_picture(path) for path in (*category.train, *good[::2])]
    frames = [read_picture(path) for path in good[1::2]]
    crops = np.stack([preprocessing.apply(picture) for picture in learned_from])
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_backbone("resnet18", weights, (), preprocessing.crop)
        backbone = open_network(loaded, settings, crops[:4], Path(folder)).backbone
    features = np.concatenate([backbone.features(crop[None]) for crop in crops])
    timed = np.concatenate([backbone.features(preprocessing.apply(frame)[None]) for frame in frames])

    lines, banks = {}, {}
    for size in sizes:
        name = f"{size:,}"
        lines[name], banks[name] = learn(features, timed, size, backbone, preprocessing)

    subjects: dict[str, Callable[[int], None]] = {}
    bare = preprocessing.apply(frames[0])[None]
    subjects["bare network"] = lambda _: void(backbone.features(bare))
    for name, line in lines.items():

        def decide(number: int, line: Line = line) -> None:
            line.decide([frames[number % len(frames)]])

        def inspect(number: int, line: Line = line) -> None:
            line.inspect([frames[number % len(frames)]])

        subjects[f"decide, bank {name}"], subjects[f"inspect, bank {name}"] = decide, inspect
    grown = interleave(subjects, rounds, dict.fromkeys(subjects, "bare network"))

    middle = lines[f"{sizes[len(sizes) // 2 - 1]:,}"]
    subjects = {"bare network": subjects["bare network"]}
    for cameras in CAMERAS:

        def several(number: int, cameras: int = cameras) -> None:
            middle.decide([frames[(number + camera) % len(frames)] for camera in range(cameras)])

        subjects[f"decide, {cameras} camera{'s' if cameras > 1 else ''}"] = several
    several_cameras = interleave(subjects, rounds, dict.fromkeys(subjects, "bare network"))
    return {
        "network": f"{backbone.engine} {backbone.precision}",
        "banks": banks,
        "growth": {name: asdict(times) for name, times in grown.items()},
        "cameras": {name: asdict(times) for name, times in several_cameras.items()},
    }


def void(_: object) -> None:
    """Drop a result."""


def _draw(found: pd.DataFrame, path: Path) -> None:
    """Draw milliseconds a frame over the bank's size."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for method in ("decide", "inspect"):
        rows = found[found["system"].str.startswith(method) & found["system"].str.contains("bank")]
        sizes = rows["system"].str.extract(r"bank ([\d,]+)")[0].str.replace(",", "").astype(int)
        axis.plot(sizes, rows["median"], marker="o", label=f"{method}, good parts")
    bare = found.loc[found["system"] == "bare network", "median"].iloc[0]
    axis.axhline(bare, color="grey", linestyle="--", label="bare network")
    axis.set_xscale("log")
    axis.set_ylim(0)
    axis.set_xlabel("entries of the memory bank")
    axis.set_ylabel("milliseconds a frame, median")
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, and write what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    calm_threads()
    options.out.mkdir(parents=True, exist_ok=True)
    found = measure(Category.find(options.data / "pill"), options.weights, options.sizes, options.rounds)
    (options.out / "scaling.json").write_text(json.dumps(found, indent=2) + "\n")
    rows = [
        {"system": name, **times}
        for part in ("growth", "cameras")
        for name, times in found[part].items()  # type: ignore[attr-defined]
    ]
    table = pd.DataFrame.from_records(rows)
    (options.out / "scaling.md").write_text(table.to_markdown(index=False) + "\n")
    _draw(table, options.out / "scaling.png")
    print(table.to_markdown(index=False))


if __name__ == "__main__":
    main()
