"""GPU: the speed of CUDA and TensorRT on this machine, and whether their results are the CPU's.

    python -m softcore_benchmarks.gpu --out gpu.json

Needs no images and no weights: networks have random weights, parts are drawn. Each of the four measurements
has a CPU half, which runs anywhere; those without a GPU half are listed under `unmeasured`, with the reason.

* networks: ResNet-18 and WRN-50 by each provider, one frame and eight; features compared with the CPU's.
* learning: outlier factors and coreset by torch on CUDA and on the CPU; selections are compared.
* export: all of `softcore-export` on a drawn category; entries are compared.
* search: one frame's patches by the exact search beside the network, by HNSW and by numpy.

Milliseconds and seconds are medians. Prints JSON, or writes it to --out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from softcore_export.backbone.backbone import load_backbone
from softcore_export.backbone.onnx_file import write_onnx
from softcore_export.data.dataset import TrainingImages
from softcore_export.data.procedural_pill import draw_category
from softcore_export.export import export
from softcore_export.memory_bank.coreset import draw_coreset
from softcore_export.memory_bank.discriminator import outlier_factors
from softcore_export.settings import ExportSettings
from softcore_runtime.backends.backbones import open_backbone
from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.backends.devices import find_device
from softcore_runtime.backends.engine import Backbone, Provider
from softcore_runtime.backends.ort import OnnxIndex, require_provider
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import hide_bars
from softcore_runtime.errors import ProviderError
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.search.hnsw import HnswIndex

from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.interleaving import time_median

__all__ = ["main", "measure_export", "measure_learning", "measure_networks", "measure_search"]

_GPUS: tuple[Provider, ...] = ("cuda", "tensorrt")
_BATCHES = (1, 8)
_CROP = 224
_PATCHES = 784  # of a frame
_DIM = 384
_SEED = 0

Result = dict[str, Any]
Refusals = dict[str, str]  # reasons why devices can't be measured, by name


def measure_networks(
    folder: Path, names: Sequence[str], rounds: int, crop: int, refused: Refusals
) -> list[Result]:
    """Time networks by every available provider, and compare their features with the CPU's."""
    rng = np.random.default_rng(_SEED)
    rows = []
    for name in names:
        path = folder / name / "backbone.onnx"
        path.parent.mkdir()
        _write_network(name, crop, path)
        expected: NDArray[np.float32] | None = None
        for provider in ("cpu", *_GPUS):
            if provider in refused:
                continue
            start = time.perf_counter()
            backbone = open_backbone(path, "onnxruntime", provider=provider)
            opened = time.perf_counter() - start
            for batch in _BATCHES:
                crops = rng.integers(0, 256, (batch, crop, crop, 3), dtype=np.uint8)
                rows.append(
                    {
                        "network": name,
                        "provider": provider,
                        "precision": backbone.precision,
                        "batch": batch,
                        "milliseconds": _time(partial(backbone.features, crops), rounds),
                        "seconds_to_open": round(opened, 2),
                    }
                )
            same = np.random.default_rng(1).integers(0, 256, (4, crop, crop, 3), dtype=np.uint8)
            features = _features(backbone, same)
            expected = features if expected is None else expected
            rows[-1]["largest_difference"] = float(np.abs(features - expected).max() / np.abs(expected).max())
    return rows


def measure_learning(images: int, positions: int, size: int, refused: Refusals) -> list[Result]:
    """Time outlier factors and coreset by torch, and compare their selection with the CPU's."""
    rng = np.random.default_rng(_SEED)
    features = rng.standard_normal((images, positions, _DIM)).astype(np.float32)
    kept = np.ones(features.shape[:2], np.bool_)
    rows: list[Result] = []
    factors: NDArray[np.float64] | None = None
    chosen: NDArray[np.int64] | None = None
    for name in _torch_devices(refused):
        device = torch.device(name)
        with hide_bars():
            torch.zeros(1, device=device).sum().item()  # CUDA's initialisation isn't part of the method
            first, spent = _once(partial(outlier_factors, features, "lof", 6, device))
            drawn, took = _once(partial(draw_coreset, features, kept, size, _SEED, device))
        factors = first if factors is None else factors
        chosen = drawn if chosen is None else chosen
        rows.append(
            {
                "device": name,
                "lof_seconds": spent,
                "lof_largest_difference": float((np.abs(first - factors) / factors).max()),
                "coreset_seconds": took,
                "coreset_entries": len(drawn),
                "coreset_shared": round(len(np.intersect1d(drawn, chosen)) / len(chosen), 4),
            }
        )
    return rows


def measure_export(folder: Path, images: int, refused: Refusals) -> list[Result]:
    """Time whole exports of a drawn category, and compare the entries of their memory banks."""
    draw_category(folder / "pill", seed=_SEED, good=images, test_good=1, test_each=0)
    rows: list[Result] = []
    entries: set[tuple[int, ...]] | None = None
    for name in _torch_devices(refused):
        provider: Provider = "cuda" if name == "cuda" and "cuda" not in refused else "cpu"
        settings = ExportSettings(
            backbone="filterbank", device=name, engine="onnxruntime", provider=provider, discriminator="lof"
        )
        found = TrainingImages.find(folder / "pill" / "train" / "good", images)
        with hide_bars():
            done = export(found, folder / name / "pill", settings)
        here = {tuple(row) for row in np.load(done.path / "origins.npy").tolist()}
        entries = here if entries is None else entries
        rows.append(
            {
                "device": name,
                "provider": provider,
                "seconds": done.seconds,
                "entries": len(here),
                "shared": round(len(here & entries) / len(entries), 4),
                "threshold": done.manifest.threshold.value,
            }
        )
    return rows


def measure_search(sizes: Sequence[int], rounds: int, refused: Refusals) -> list[Result]:
    """Time the search for a frame's patches in memory banks of several sizes, and compare the results."""
    rng = np.random.default_rng(_SEED)
    rows = []
    for size in sizes:
        bank = rng.standard_normal((size, _DIM)).astype(np.float32)
        index = HnswIndex.build(bank, m=16, ef_construction=100, seed=_SEED)
        index.ef_search = 64
        index.set_threads(usable_cpus())
        exhaustive = ExhaustiveSearch(bank)
        searches: dict[str, Callable[[NDArray[np.float32]], NDArray[np.int64]]] = {
            "hnsw": index.nearest,
            "numpy": partial(_search_by_numpy, exhaustive),
            "graph on cpu": OnnxIndex(bank).nearest,
        }
        if "cuda" not in refused:
            searches["graph on cuda"] = OnnxIndex(bank, "cuda").nearest
        for count in (1, 32, _PATCHES):
            queries = bank[rng.integers(size, size=count)]
            queries = queries + 0.5 * rng.standard_normal(queries.shape).astype(np.float32)
            truth = exhaustive.nearest(queries)[0]
            rows += [
                {
                    "entries": size,
                    "patches": count,
                    "search": name,
                    "milliseconds": _time(partial(search, queries), rounds),
                    "right": round(float((search(queries) == truth).mean()), 4),
                }
                for name, search in searches.items()
            ]
    return rows


def find_refusals() -> Refusals:
    """Return the reasons why providers, or torch, can't compute on a GPU here, by name."""
    refused: Refusals = {name: why for name in _GPUS if (why := _explain_refusal(name))}
    if not torch.cuda.is_available():
        refused["torch on cuda"] = "torch finds no CUDA device here"
    return refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the results; return the exit code."""
    parser = make_parser("gpu", __doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "wide_resnet50_2"])
    parser.add_argument("--crop", type=int, default=_CROP)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1_000, 10_000, 80_000], help="of banks")
    parser.add_argument("--images", type=int, default=90, help="of the drawn category")
    parser.add_argument(
        "--positions", type=int, default=_PATCHES, help="of the features that are learned from"
    )
    return run(parser, _measure, arguments)


def _measure(options: argparse.Namespace) -> None:
    refused = find_refusals()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        told = {
            "machine": _describe_machine(),
            "unmeasured": refused,
            "networks": measure_networks(folder, options.networks, options.rounds, options.crop, refused),
            "learning": measure_learning(
                options.images, options.positions, options.images * options.positions // 10, refused
            ),
            "export": measure_export(folder, options.images, refused),
            "search": measure_search(options.sizes, options.rounds, refused),
        }
    text = json.dumps(told, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    else:
        print(text)


def _describe_machine() -> Result:
    try:
        gpu: str | None = str(find_device())
    except ProviderError:
        gpu = None
    return {"gpu": gpu, "cores": usable_cpus(), "torch": str(torch.__version__)}


def _explain_refusal(provider: Provider) -> str | None:
    """Return why a provider can't compute here, or None."""
    try:
        require_provider(provider)
    except ProviderError as error:
        return str(error)
    return None


def _search_by_numpy(search: ExhaustiveSearch, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    return search.nearest(queries)[0]


def _write_network(name: str, crop: int, path: Path) -> None:
    """Write a network of torchvision with random weights as the export does."""
    torch.manual_seed(_SEED)
    weights = path.with_suffix(".pth")
    torch.save(torchvision.models.get_model(name, weights=None).state_dict(), weights)
    write_onnx(load_backbone(name, weights, crop=crop).network, crop, path)


def _features(backbone: Backbone, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([backbone.features(crop[None]) for crop in crops])


def _torch_devices(refused: Refusals) -> list[Any]:
    return ["cpu"] if "torch on cuda" in refused else ["cpu", "cuda"]


def _time(work: Callable[[], object], rounds: int) -> float:
    """Return the median milliseconds of work that ends with numbers on the host."""
    return round(1000 * time_median(lambda _: work(), rounds, warm_up=3), 3)


def _once(work: Callable[[], NDArray[Any]]) -> tuple[NDArray[Any], float]:
    start = time.perf_counter()
    result = work()
    return result, round(time.perf_counter() - start, 3)


if __name__ == "__main__":
    raise SystemExit(main())
