"""Export: from a folder of pictures to a verified bundle."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime import Bundle, Inspector, bundle, ort
from softcore_runtime.errors import UsageError
from softcore_runtime.manifest import Backbone, Bank, Dataset, Grid, Manifest, Parity
from softcore_runtime.ort import OnnxBackbone
from softcore_runtime.pictures import read_picture
from softcore_runtime.search import Search

from softcore_export.backbone import LoadedBackbone, load_backbone
from softcore_export.choices import FILE as CHOICES
from softcore_export.choices import Choices, write_choices
from softcore_export.contamination import Contamination, Judged, write_contamination
from softcore_export.dataset import TrainingPictures
from softcore_export.features import extract
from softcore_export.golden import choose_golden
from softcore_export.index import build_index
from softcore_export.onnx_file import check_parity, write_onnx
from softcore_export.progress import end_bars, track
from softcore_export.report import Facts, write_report
from softcore_export.settings import ExportSettings
from softcore_export.suspicion import Judgement, judge
from softcore_export.threshold import leave_one_out_scores, provisional_threshold
from softcore_export.train import MemoryBank, fit
from softcore_export.workplace import scratch, workplace

__all__ = ["Export", "Prepared", "build", "export", "prepare"]

_PARITY_FRAMES = 4
_HELD_BACK = 2000  # patches that measure the index's recall


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is made of the pictures before anything is chosen: the same for every bank drawn from them.

    Attributes:
        pictures: as they were read.
        settings: how to train.
        network: the backbone's ONNX file.
        backbone: the same, opened.
        loaded: what it was exported from.
        parity: how well the two agree.
        features: float32 `[N, P, d]`, mapped from disk.
        judgement: what is suspect in them.
        seconds: of each stage.
    """

    pictures: TrainingPictures
    settings: ExportSettings
    network: Path
    backbone: OnnxBackbone
    loaded: LoadedBackbone
    parity: Parity
    features: NDArray[np.float32]
    judgement: Judgement
    seconds: dict[str, float]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns, P = H * W."""
        side = math.isqrt(self.features.shape[1])
        return side, side


@dataclass(frozen=True, eq=False)
class Export:
    """A finished export.

    Attributes:
        path: the bundle.
        manifest: the bundle's.
        pictures: the training pictures that were read, `[N]`.
        skipped: a line for each that couldn't be.
        contamination: which of them are suspect, and what was done; as in the bundle.
        kept: bool `[N, P]`, which patches could enter the memory bank.
        scores: float64 `[N]`, leave-one-image-out.
        seconds: of each stage.
    """

    path: Path
    manifest: Manifest
    pictures: list[Path]
    skipped: list[str]
    contamination: Contamination
    kept: NDArray[np.bool_]
    scores: NDArray[np.float64]
    seconds: dict[str, float]


def export(
    pictures: TrainingPictures, target: Path, settings: ExportSettings, choices: Choices | None = None
) -> Export:
    """Train on `pictures` and put the bundle at `target`, whole or not at all.

    Args:
        pictures: what to train on.
        target: the bundle's folder; an earlier bundle is replaced.
        settings: how.
        choices: a person's, which overrule what the method would leave out.

    Raises:
        UsageError: the settings can't be met here, or `target` can't be written.
        DataError: too few pictures can be read, or are left.
        ExportError: a gate failed (ONNX checker, parity, recall).
    """
    with prepare(pictures, target, settings) as prepared:
        return build(prepared, target, choices or Choices())


@contextmanager
def prepare(pictures: TrainingPictures, target: Path, settings: ExportSettings) -> Iterator[Prepared]:
    """Export the network, compute the features and judge them; all is gone at the end of the block.

    Raises:
        As `export`.
    """
    device = _choose_device(settings.device)
    preprocessing = settings.preprocessing
    seconds: dict[str, float] = {}

    with scratch(target) as place:
        with _timed(seconds, "backbone"):
            loaded = load_backbone(settings.backbone, settings.weights, settings.layers, preprocessing.crop)
            network = place / bundle.BACKBONE
            write_onnx(loaded.network, preprocessing.crop, network)
            backbone = OnnxBackbone(network)

        with _timed(seconds, "features"):
            crops = track(pictures.crops(preprocessing), "features", len(pictures.paths))
            features = extract(backbone, crops, place / "features")  # [N, P, d]
            (place / "features").unlink()  # the mapping keeps it until we are done
            parity = check_parity(loaded.network, backbone, _first_crops(pictures, settings))

        with _timed(seconds, "suspicion"):
            side = math.isqrt(features.shape[1])
            judgement = judge(features, (side, side), device, settings.seed)

        yield Prepared(pictures, settings, network, backbone, loaded, parity, features, judgement, seconds)


def build(prepared: Prepared, target: Path, choices: Choices) -> Export:
    """Draw a memory bank by the method and a person's choices, and put its bundle at `target`.

    Raises:
        As `export`.
    """
    pictures, settings, features = prepared.pictures, prepared.settings, prepared.features
    backbone, judgement = prepared.backbone, prepared.judgement
    grid = prepared.grid
    device = _choose_device(settings.device)
    seconds = dict(prepared.seconds)

    with workplace(target) as place:
        with _timed(seconds, "memory bank"):
            overrule = partial(choices.apply, digests=pictures.digests, grid=grid)
            learned = fit(features, grid, settings, device, judgement, overrule)

        with _timed(seconds, "index"):
            held_back = _hold_back(features, learned, grid[1], settings.seed)
            built = build_index(learned.bank, held_back, settings.seed)

        with _timed(seconds, "threshold"):
            owners = learned.origins[:, 0]
            scores = leave_one_out_scores(features, learned.bank, learned.weights, owners, device)
            contamination = _tell(pictures, judgement, learned.kept)
            threshold = provisional_threshold(scores, _trust(prepared, learned, choices))

        with _timed(seconds, "bundle"):
            shutil.copyfile(prepared.network, place / bundle.BACKBONE)
            built.index.save(place / bundle.INDEX)
            arrays = {"bank": learned.bank, "weights": learned.weights, "origins": learned.origins}
            bundle.write_arrays(place, arrays)
            write_contamination(place, contamination)
            write_choices(place / CHOICES, choices)
            manifest = Manifest(
                category=target.name,
                created=datetime.now(timezone.utc).replace(microsecond=0),
                tools=_tool_versions(),
                preprocessing=settings.preprocessing,
                backbone=Backbone(
                    name=prepared.loaded.name,
                    layers=prepared.loaded.layers,
                    weights_sha256=prepared.loaded.weights_sha256,
                ),
                grid=Grid(height=grid[0], width=grid[1]),
                bank=Bank(
                    n=len(learned.bank),
                    dim=learned.bank.shape[1],
                    discriminator=settings.discriminator,
                    tau=settings.tau,
                    k=settings.lof_k,
                    ratio=settings.coreset_ratio,
                    sampler=settings.sampler,
                    soft_weights=bool((learned.weights != 1).any()),
                    weight_max=float(learned.weights.max()),
                    seed=settings.seed,
                ),
                index=built.record,
                parity=prepared.parity,
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

        with _timed(seconds, "report"):
            facts = Facts(
                manifest=manifest,
                contamination=contamination,
                choices=choices,
                folder=pictures.folder,
                paths=list(pictures.read),
                digests=list(pictures.digests),
                skipped=list(pictures.skipped),
                patch_suspicion=judgement.patches,
                kept=learned.kept,
                origins=learned.origins,
                scores=scores,
                seconds=seconds,
            )
            write_report(place, facts)
            manifest = manifest.model_copy(update={"files": bundle.record_files(place)})
            bundle.write_manifest(place, manifest)
            Inspector.load(place)  # what ships has been read back, verified and tested

    return Export(
        path=target,
        manifest=manifest,
        pictures=list(pictures.read),
        skipped=list(pictures.skipped),
        contamination=contamination,
        kept=learned.kept,
        scores=scores,
        seconds=seconds,
    )


def _tell(pictures: TrainingPictures, judgement: Judgement, kept: NDArray[np.bool_]) -> Contamination:
    """Put down who is suspect, the most suspect first, and what was left out of each."""
    decisions = np.where(kept.all(axis=1), "kept", "patches excluded")
    decisions[~kept.any(axis=1)] = "picture excluded"
    return Contamination(
        estimate=judgement.estimate,
        images=tuple(
            Judged(
                path=pictures.read[i].relative_to(pictures.folder).as_posix(),
                sha256=pictures.digests[i],
                suspicion=round(float(judgement.pictures[i]), 6),
                decision=decisions[i],
            )
            for i in np.argsort(-judgement.pictures, kind="stable")
        ),
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


def _trust(prepared: Prepared, learned: MemoryBank, choices: Choices) -> NDArray[np.bool_]:
    """Say which pictures may set the limit, bool `[N]`: what a person kept, and of the rest the good."""
    suspicion = prepared.judgement.pictures
    if prepared.settings.discriminator == "auto":
        trusted = np.asarray(suspicion <= 1)
    else:  # a fixed share is thrown away, of the pictures too
        rank = np.argsort(np.argsort(suspicion, kind="stable"))
        trusted = rank < len(rank) - int(prepared.settings.tau * len(rank))
    for row, digest in enumerate(prepared.pictures.digests):
        if digest in choices.pictures:
            trusted[row] = choices.pictures[digest].action == "keep"
    return trusted if trusted.any() else np.asarray(learned.kept.any(axis=1))


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
