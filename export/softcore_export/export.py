"""Export: from a folder of pictures to a verified bundle."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime import Bundle, Inspector, bundle, ort
from softcore_runtime.errors import UsageError
from softcore_runtime.manifest import Backbone, Bank, Dataset, Grid, Manifest
from softcore_runtime.ort import OnnxBackbone
from softcore_runtime.pictures import read_picture
from softcore_runtime.search import Search

from softcore_export.backbone import load_backbone
from softcore_export.dataset import TrainingPictures
from softcore_export.features import extract
from softcore_export.golden import choose_golden
from softcore_export.index import build_index
from softcore_export.onnx_file import check_parity, write_onnx
from softcore_export.progress import end_bars, track
from softcore_export.settings import ExportSettings
from softcore_export.threshold import leave_one_out_scores, provisional_threshold
from softcore_export.train import MemoryBank, fit
from softcore_export.workplace import workplace

__all__ = ["Export", "export"]

_PARITY_FRAMES = 4
_HELD_BACK = 2000  # patches that measure the index's recall
_SUSPECT_SHARE = 0.01  # of a picture's patches speak for it: a small defect touches few


@dataclass(frozen=True, eq=False)
class Export:
    """A finished export.

    Attributes:
        path: the bundle.
        manifest: the bundle's.
        pictures: the training pictures that were read, `[N]`.
        skipped: a line for each that couldn't be.
        suspicion: float64 `[N]`, how suspect each picture is.
        scores: float64 `[N]`, leave-one-image-out.
        seconds: of each stage.
    """

    path: Path
    manifest: Manifest
    pictures: list[Path]
    skipped: list[str]
    suspicion: NDArray[np.float64]
    scores: NDArray[np.float64]
    seconds: dict[str, float]


def export(pictures: TrainingPictures, target: Path, settings: ExportSettings) -> Export:
    """Train on `pictures` and put the bundle at `target`, whole or not at all.

    Raises:
        UsageError: the settings can't be met here, or `target` can't be written.
        DataError: too few pictures can be read.
        ExportError: a gate failed (ONNX checker, parity, recall).
    """
    device = _choose_device(settings.device)
    preprocessing = settings.preprocessing
    seconds: dict[str, float] = {}

    with workplace(target) as place:
        with _timed(seconds, "backbone"):
            loaded = load_backbone(settings.backbone, settings.weights, settings.layers, preprocessing.crop)
            write_onnx(loaded.network, preprocessing.crop, place / bundle.BACKBONE)
            backbone = OnnxBackbone(place / bundle.BACKBONE)

        with _timed(seconds, "features"):
            crops = track(pictures.crops(preprocessing), "features", len(pictures.paths))
            scratch = place / "features"
            features = extract(backbone, crops, scratch)  # [N, P, d]
            scratch.unlink()  # the mapping keeps it until we are done
            side = math.isqrt(features.shape[1])
            parity = check_parity(loaded.network, backbone, _first_crops(pictures, settings))

        with _timed(seconds, "memory bank"):
            learned = fit(features, (side, side), settings, device)

        with _timed(seconds, "index"):
            built = build_index(
                learned.bank, _hold_back(features, learned, side, settings.seed), settings.seed
            )

        with _timed(seconds, "threshold"):
            owners = learned.origins[:, 0]
            scores = leave_one_out_scores(features, learned.bank, learned.weights, owners, device)
            suspicion = _rank(learned.factors, scores)
            threshold = provisional_threshold(scores, suspicion, settings.tau)

        with _timed(seconds, "bundle"):
            built.index.save(place / bundle.INDEX)
            arrays = {"bank": learned.bank, "weights": learned.weights, "origins": learned.origins}
            bundle.write_arrays(place, arrays)
            manifest = Manifest(
                category=target.name,
                created=datetime.now(timezone.utc).replace(microsecond=0),
                tools=_tool_versions(),
                preprocessing=preprocessing,
                backbone=Backbone(
                    name=loaded.name, layers=loaded.layers, weights_sha256=loaded.weights_sha256
                ),
                grid=Grid(height=side, width=side),
                bank=Bank(
                    n=len(learned.bank),
                    dim=learned.bank.shape[1],
                    discriminator=settings.discriminator,
                    tau=settings.tau,
                    k=settings.lof_k,
                    ratio=settings.coreset_ratio,
                    sampler=settings.sampler,
                    soft_weights=settings.soft_weights,
                    weight_max=float(learned.weights.max()),
                    seed=settings.seed,
                ),
                index=built.record,
                parity=parity,
                threshold=threshold,
                dataset=Dataset(
                    pictures=len(pictures.read),
                    skipped=len(pictures.skipped),
                    fingerprint=pictures.fingerprint(),
                ),
                files={},
            )
            draft = Bundle(place, manifest, learned.bank, learned.weights, learned.origins, golden=())
            inspector = Inspector(draft, backbone, Search(learned.bank, learned.weights, built.index))
            golden = choose_golden(pictures.read, scores)
            expected = {name: inspector.inspect(frame).score for name, frame in golden.items()}
            bundle.write_golden(place, golden, expected)
            manifest = manifest.model_copy(update={"files": bundle.record_files(place)})
            bundle.write_manifest(place, manifest)
            Inspector.load(place)  # what ships has been read back, verified and tested

    return Export(
        path=target,
        manifest=manifest,
        pictures=list(pictures.read),
        skipped=list(pictures.skipped),
        suspicion=suspicion,
        scores=scores,
        seconds=seconds,
    )


def _choose_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no CUDA device here; take --device cpu, or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _first_crops(pictures: TrainingPictures, settings: ExportSettings) -> NDArray[np.uint8]:
    """Read the first pictures once more, for the parity gate: uint8 `[B, crop, crop, 3]`."""
    first = pictures.read[:_PARITY_FRAMES]
    return np.stack([settings.preprocessing.apply(read_picture(path)) for path in first])


def _hold_back(
    features: NDArray[np.float32], learned: MemoryBank, side: int, seed: int
) -> NDArray[np.float32]:
    """Choose kept patches that aren't in the bank, float32 `[q, d]`; any, where all are."""
    picture, row, column = learned.origins.T
    free = learned.kept.copy()
    free[picture, row * side + column] = False
    candidates = np.flatnonzero(free if free.any() else learned.kept)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(candidates, min(_HELD_BACK, len(candidates)), replace=False))
    picture, position = np.divmod(chosen, features.shape[1])
    return features[picture, position]


def _rank(factors: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Say how suspect each picture is: the mean of its highest outlier factors, or its score without any."""
    if (factors == factors.flat[0]).all():
        return scores
    top = max(1, int(_SUSPECT_SHARE * factors.shape[1]))
    return np.asarray(np.partition(factors, -top, axis=1)[:, -top:].mean(axis=1))


def _tool_versions() -> dict[str, str]:
    return {
        "softcore": version("softcore"),
        "hnswlib": version("hnswlib"),
        "numpy": np.__version__,
        "onnxruntime": ort.VERSION,
        "opencv": cv2.__version__,
        "torch": str(torch.__version__),
    }


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    except BaseException:
        end_bars()
        raise
    seconds[stage] = round(time.perf_counter() - start, 3)
