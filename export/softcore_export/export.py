"""Export: from a folder of images to a verified bundle."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime import Bundle, Inspector
from softcore_runtime.backends.devices import ENGINE_FOLDER
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.bundle import bundle
from softcore_runtime.bundle.manifest import (
    Agreement,
    BackboneRecord,
    BankRecord,
    DatasetRecord,
    Grid,
    Manifest,
)
from softcore_runtime.bundle.training import Training, write_training
from softcore_runtime.cli.progress import end_bars, say, track
from softcore_runtime.errors import UsageError
from softcore_runtime.images.compression import summarize_traces
from softcore_runtime.images.file_names import to_text
from softcore_runtime.search.search import Search

from softcore_export.backbone.agreement import AgreementError, Scores, check_agreement, choose_compared
from softcore_export.backbone.backbone import LoadedBackbone, load_backbone
from softcore_export.backbone.network import Network, open_network
from softcore_export.contamination.choices import FILE as CHOICES
from softcore_export.contamination.choices import Choices, write_choices
from softcore_export.contamination.contamination import Contamination, ImageRecord, write_contamination
from softcore_export.contamination.estimate import ContaminationEstimate, estimate_contamination
from softcore_export.data.bit_depth import find_depth
from softcore_export.data.dataset import TrainingImages, find_labelled
from softcore_export.data.features import extract
from softcore_export.duration import tell_duration
from softcore_export.memory_bank.golden import choose_golden
from softcore_export.memory_bank.hints import learn_hints
from softcore_export.memory_bank.index import build_index
from softcore_export.memory_bank.leave_one_out import leave_one_out, score_others
from softcore_export.memory_bank.threshold import provisional_threshold
from softcore_export.report.report import Facts, write_report
from softcore_export.settings import ExportSettings
from softcore_export.staging_directory import scratch, staging_directory
from softcore_export.train import MemoryBank, fit

__all__ = ["Export", "Prepared", "build", "export", "prepare", "settle"]

_SAMPLE = 64  # images that parity and INT8's ranges rest on
_HELD_BACK = 2000  # patches that measure the index's recall


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is made of the images before anything is chosen: the same for every memory bank drawn from them.

    Attributes:
        images: the images, as they were read.
        settings: how to train.
        loaded: torch's network.
        network: its ONNX file, opened.
        features: float32 `[N, P, d]`, mapped from disk.
        plain_features: float32 `[N, P, d']`, of the plain FP32 network, where another one ships.
        estimate: what is suspect in the images.
        seconds: wall time of each stage.

    Example:
        >>> prepared
        Prepared(12 images, features 12x64x203, filterbank)
        >>> prepared.features.shape, prepared.features.dtype
        ((12, 64, 203), dtype('float32'))
    """

    images: TrainingImages
    settings: ExportSettings
    loaded: LoadedBackbone
    network: Network
    features: NDArray[np.float32]
    plain_features: NDArray[np.float32] | None
    estimate: ContaminationEstimate
    seconds: dict[str, float]

    def __repr__(self) -> str:
        size = "x".join(map(str, self.features.shape))
        return f"Prepared({len(self.images.read)} images, features {size}, {self.loaded.name})"

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the feature grid, P = H * W.

        Example:
            >>> prepared.grid
            (8, 8)
        """
        side = math.isqrt(self.features.shape[1])
        return side, side

    @property
    def may_fall_back(self) -> bool:
        """Whether FP32 may ship instead: the faster precision was SoftCore's own choice.

        Example:
            >>> prepared.may_fall_back
            False
        """
        asked = self.settings.precision != "auto" or self.settings.dimensions is not None
        return not asked and self.plain_features is not None and self.network.backbone.precision != "fp32"

    def in_fp32(self) -> Prepared:
        """Give the same with the plain network, whose features are there already; the images are judged anew.

        Only where `may_fall_back`.

        Example:
            >>> if prepared.may_fall_back:
            ...     prepared = prepared.in_fp32()
            >>> prepared.network.backbone.precision
            'fp32'
        """
        assert self.plain_features is not None  # noqa: S101
        seconds = dict(self.seconds)
        device = _choose_device(self.settings.device)
        with _timed(seconds, "suspicion"):
            estimate = estimate_contamination(self.plain_features, self.grid, device, self.settings.seed)
        return replace(
            self,
            network=self.network.in_fp32(),
            features=self.plain_features,
            plain_features=None,
            estimate=estimate,
            seconds=seconds,
        )


@dataclass(frozen=True, eq=False)
class Export:
    """A finished export.

    Attributes:
        path: the bundle's folder.
        manifest: the bundle's.
        images: the training images that were read, `[N]`.
        skipped: a line for each image that could not be read.
        contamination: which images are suspect, and what was done; as in the bundle.
        kept: bool `[N, P]`, which patches could enter the memory bank.
        scores: float64 `[N]`, leave-one-image-out: each image against the bank without its own entries.
        seconds: wall time of each stage.

    Example:
        >>> exported
        Export('.../disc', 12 images, bank 77x203, threshold=... (provisional), ... s)
        >>> exported.scores.shape, exported.kept.shape
        ((12,), (12, 64))
        >>> exported.contamination.images[0].path  # the most suspect
        '05.png'
    """

    path: Path
    manifest: Manifest
    images: list[Path]
    skipped: list[str]
    contamination: Contamination
    kept: NDArray[np.bool_]
    scores: NDArray[np.float64]
    seconds: dict[str, float]

    def __repr__(self) -> str:
        bank, threshold = self.manifest.bank, self.manifest.threshold
        return (
            f"Export({str(self.path)!r}, {len(self.images)} images, bank {bank.n}x{bank.dim}, "
            f"threshold={threshold.value:.4g} (provisional), {sum(self.seconds.values()):.1f} s)"
        )


def export(
    images: TrainingImages, target: Path, settings: ExportSettings, choices: Choices | None = None
) -> Export:
    """Train on images and write the bundle, whole or not at all.

    With `precision="auto"`, a precision that fails the comparison with FP32 is given up for FP32.

    Args:
        images: the images to train on.
        target: the bundle's folder, whose name is the category; an earlier bundle there is replaced.
        settings: how to train.
        choices: a person's, which overrule what the method would leave out.

    Returns:
        the bundle's manifest, and what was found out about the images.

    Raises:
        UsageError: the settings can't be met here, or `target` can't be written.
        DataError: too few images can be read, or are left.
        ExportError: a gate failed (ONNX checker, parity, recall, agreement with FP32).

    Example:
        >>> settings = ExportSettings(
        ...     backbone="filterbank", discriminator="lof", device="cpu", engine="onnxruntime",
        ...     precision="fp32", preprocessing=Preprocessing(resize=72, crop=64),
        ... )
        >>> export(TrainingImages.find(discs / "disc"), target, settings)
        Export('.../bundles/disc', 12 images, bank 77x203, threshold=... (provisional), ... s)
        >>> inspector = Inspector.load(target)
        >>> inspector.inspect(inspector.manifest.preprocessing.read(discs / "disc" / "00.png")).decision
        <Decision.PASS: 'PASS'>
    """
    with prepare(images, target, settings) as prepared:
        return settle(prepared, target, choices or Choices())[1]


@contextmanager
def prepare(images: TrainingImages, target: Path, settings: ExportSettings) -> Iterator[Prepared]:
    """Write the network as ONNX, compute the features with it, and judge the images.

    A context manager: the files, and with them the features, are deleted at the end of the block.

    Args:
        images: the images to train on.
        target: where the bundle will be; scratch files lie beside it.
        settings: how to train.

    Yields:
        what `build` draws a memory bank from, as often as wanted.

    Raises:
        UsageError: as `export`.
        DataError: as `export`.
        ExportError: as `export`.

    Example:
        >>> with prepare(TrainingImages.find(discs / "disc"), target, small) as prepared:
        ...     prepared.features.shape, int(prepared.estimate.images.argmax())
        ((12, 64, 203), 5)
    """
    device = _choose_device(settings.device)
    settings = _settle_white(settings, images)
    if settings.labelled:
        # A mistake is said before the work begins.
        for fault in find_labelled(settings.labelled).check(settings.preprocessing)[1]:
            say(f"warning: a labelled image could not be read and is left out: {fault}")
    preprocessing = settings.preprocessing
    seconds: dict[str, float] = {}

    with scratch(target) as place:
        with _timed(seconds, "backbone"):
            loaded = load_backbone(settings.backbone, settings.weights, settings.layers, preprocessing.crop)
            sample = images.sample(preprocessing, _SAMPLE)
            network = open_network(loaded, settings, sample, place)

        with _timed(seconds, "features"):
            count = len(images.paths)
            timed = tell_duration(images.crops(preprocessing), count, network, settings, device)
            crops = track(timed, "features", count)
            features = extract(network.backbone, crops, place / "features")  # [N, P, d]
            plain_features = None
            if network.plain:
                crops = track(_read_crops(images.read, settings), "features in fp32", len(images.read))
                plain_features = extract(network.plain, crops, place / "plain features")

        with _timed(seconds, "suspicion"):
            side = math.isqrt(features.shape[1])
            estimate = estimate_contamination(features, (side, side), device, settings.seed)

        yield Prepared(images, settings, loaded, network, features, plain_features, estimate, seconds)


def settle(prepared: Prepared, target: Path, choices: Choices) -> tuple[Prepared, Export]:
    """Build the bundle; in FP32, where SoftCore chose a faster precision that decides too differently.

    That is said in a line on standard error.

    Args:
        prepared: what `prepare` yields.
        target: as for `export`.
        choices: as for `export`.

    Returns:
        what the bundle was built from, to build the next one from, and what `export` returns.

    Raises:
        UsageError: as `export`.
        DataError: as `export`.
        ExportError: as `export`.

    Example:
        >>> used, done = settle(prepared, target, Choices())
        >>> used is prepared, done.manifest.category
        (True, 'disc')
    """
    try:
        return prepared, build(prepared, target, choices)
    except AgreementError as error:
        if not prepared.may_fall_back:
            raise  # what was asked for can't be had
        fast, reason = prepared.network.backbone.precision, str(error).partition(";")[0]
    say(f"warning: the bundle is in fp32, which is slower, and not in {fast}: {reason}")
    prepared = prepared.in_fp32()
    return prepared, build(prepared, target, choices)


def build(prepared: Prepared, target: Path, choices: Choices) -> Export:
    """Draw a memory bank by the method and a person's choices, and write its bundle.

    Args:
        prepared: what `prepare` yields.
        target: as for `export`.
        choices: as for `export`.

    Returns:
        as `export`.

    Raises:
        UsageError: as `export`.
        DataError: as `export`.
        ExportError: as `export`.

    Example:
        >>> build(prepared, target, Choices()).manifest.category
        'disc'
    """
    images, settings, features = prepared.images, prepared.settings, prepared.features
    backbone, estimate = prepared.network.backbone, prepared.estimate
    grid = prepared.grid
    device = _choose_device(settings.device)
    seconds = dict(prepared.seconds)

    with staging_directory(target) as place:
        with _timed(seconds, "memory bank"):
            overrule = partial(choices.apply, digests=images.digests, grid=grid)
            learned = fit(features, grid, settings, device, estimate, overrule)

        with _timed(seconds, "index"):
            held_back = _hold_back(features, learned, grid[1], settings.seed)
            built = build_index(learned.bank, held_back, settings.seed)

        with _timed(seconds, "threshold"):
            owners = learned.origins[:, 0]
            left_out = leave_one_out(features, learned.bank, owners, device)
            scores = left_out.scores(learned.weights)
            contamination = _tell(images, estimate, learned.kept)
            trusted = _trust(prepared, learned, choices)
            threshold = provisional_threshold(scores, trusted)

        with _timed(seconds, "hints"):
            hints, hints_record = learn_hints(
                features, learned.bank, learned.weights, owners, left_out, learned.kept
            )

        agreement = None
        if prepared.plain_features is not None:
            with _timed(seconds, "agreement"):
                agreement = _compare(prepared, learned, scores, trusted, device)

        with _timed(seconds, "bundle"):
            shutil.copyfile(prepared.network.file, place / bundle.BACKBONE)
            built.index.save(place / bundle.INDEX)
            arrays = {"bank": learned.bank, "weights": learned.weights, "origins": learned.origins}
            bundle.write_arrays(place, {**arrays, "hints": hints})
            write_contamination(place, contamination)
            write_choices(place / CHOICES, choices)
            write_training(
                place,
                Training(scores[trusted], np.stack(images.thumbnails), np.stack(images.image_statistics)),
            )
            manifest = Manifest(
                category=target.name,
                created=datetime.now(timezone.utc).replace(microsecond=0),
                tools=_tool_versions(backbone),
                preprocessing=settings.preprocessing,
                backbone=BackboneRecord(
                    name=prepared.loaded.name,
                    layers=prepared.loaded.layers,
                    weights_sha256=prepared.loaded.weights_sha256,
                    engine=backbone.engine,
                    provider=backbone.provider,
                    precision=backbone.precision,
                ),
                grid=Grid(height=grid[0], width=grid[1]),
                bank=BankRecord(
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
                hints=hints_record,
                parity=prepared.network.parity,
                agreement=agreement,
                threshold=threshold,
                history=(),
                dataset=DatasetRecord(
                    images=len(images.read),
                    skipped=len(images.skipped),
                    fingerprint=images.fingerprint(),
                    traces=summarize_traces(images.traces),
                ),
                files={},
            )
            draft = Bundle(place, manifest, learned.bank, learned.weights, learned.origins, hints, golden=())
            search = Search(learned.bank, learned.weights, built.index, hints)
            inspector = Inspector(draft, backbone, search)
            golden = choose_golden(
                images.read,
                scores,
                lambda frame: inspector.inspect(frame).score,
                threshold.value,
                settings.preprocessing.read,
            )
            bundle.write_golden(place, golden.frames, golden.scores)
            manifest = manifest.model_copy(update={"golden_note": golden.note})

        with _timed(seconds, "report"):
            facts = Facts(
                manifest=manifest,
                contamination=contamination,
                choices=choices,
                folder=images.folder,
                paths=list(images.read),
                digests=list(images.digests),
                skipped=list(images.skipped),
                patch_suspicion=estimate.patches,
                kept=learned.kept,
                origins=learned.origins,
                scores=scores,
                seconds=seconds,
            )
            write_report(place, facts)
            manifest = manifest.model_copy(update={"files": bundle.record_files(place)})
            bundle.write_manifest(place, manifest)
            if backbone.engines:  # for this machine's GPU
                shutil.copytree(backbone.engines, place / ENGINE_FOLDER / backbone.engines.name)
            # What ships has been read back, verified and tested.
            Inspector.load(place, engine=backbone.engine, provider=backbone.provider)

    return Export(
        path=target,
        manifest=manifest,
        images=list(images.read),
        skipped=list(images.skipped),
        contamination=contamination,
        kept=learned.kept,
        scores=scores,
        seconds=seconds,
    )


def _compare(
    prepared: Prepared,
    learned: MemoryBank,
    scores: NDArray[np.float64],
    trusted: NDArray[np.bool_],
    device: torch.device,
) -> Agreement:
    """Compare what ships with the plain network, on training images and those that are labelled.

    Raises:
        AgreementError: it costs too much.
    """
    assert prepared.network.plain is not None and prepared.plain_features is not None  # noqa: S101, PT018
    settings, grid = prepared.settings, prepared.grid
    compared = choose_compared(scores)
    labelled = find_labelled(settings.labelled).check(settings.preprocessing)[0] if settings.labelled else []
    paths = [path for path, _ in labelled]
    ours = _compute(prepared.network.backbone, paths, settings)
    theirs = _compute(prepared.network.plain, paths, settings)
    image, row, column = learned.origins.T
    plain_bank = prepared.plain_features[image, row * grid[1] + column]  # [n, d']
    # Owners are numbered as the compared images are; -1 is none of them.
    number = np.full(len(scores), -1, np.int32)
    number[compared] = np.arange(len(compared))
    left_out = leave_one_out(prepared.plain_features[compared], plain_bank, number[image], device)
    return check_agreement(
        Scores(scores[compared], score_others(ours, learned.bank, learned.weights, device)),
        Scores(left_out.scores(learned.weights), score_others(theirs, plain_bank, learned.weights, device)),
        trusted[compared],
        np.array([defective for _, defective in labelled], np.bool_),
        settings.max_loss,
    )


def _tell(images: TrainingImages, estimate: ContaminationEstimate, kept: NDArray[np.bool_]) -> Contamination:
    """Put down who is suspect, the most suspect first, and what was left out of each."""
    decisions = np.where(kept.all(axis=1), "kept", "patches excluded")
    decisions[~kept.any(axis=1)] = "picture excluded"
    return Contamination(
        estimate=estimate.share,
        images=tuple(
            ImageRecord(
                path=to_text(images.read[i].relative_to(images.folder).as_posix()),
                sha256=images.digests[i],
                suspicion=round(float(estimate.images[i]), 6),
                decision=decisions[i],
            )
            for i in np.argsort(-estimate.images, kind="stable")
        ),
        copies=images.copies(),
    )


def _settle_white(settings: ExportSettings, images: TrainingImages) -> ExportSettings:
    """Let white be what it is in training images of 16 bits, and say so where that isn't all of the bits."""
    depth = find_depth(images.paths)
    if said := depth.describe():
        say(f"warning: {said}")
    preprocessing = settings.preprocessing.model_copy(update={"white": depth.white})
    return settings.model_copy(update={"preprocessing": preprocessing})


def _choose_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no CUDA device here; take --device cpu, or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _compute(
    backbone: Backbone, paths: list[Path], settings: ExportSettings
) -> Iterator[NDArray[np.float32]]:
    """Compute the features of images, float32 `[P, d]` each."""
    crops = track(_read_crops(paths, settings), f"labelled, {backbone.precision}", len(paths))
    return (backbone.features(crop[None])[0] for crop in crops)


def _read_crops(paths: list[Path], settings: ExportSettings) -> Iterator[NDArray[np.uint8]]:
    """Read images that are known to be good ones, as the network's input: uint8 `[crop, crop, 3]` each."""
    preprocessing = settings.preprocessing
    return (preprocessing.apply(preprocessing.read(path)) for path in paths)


def _hold_back(
    features: NDArray[np.float32], learned: MemoryBank, side: int, seed: int
) -> NDArray[np.float32]:
    """Choose kept patches that aren't in the bank, float32 `[q, d]`; any, where all are."""
    image, row, column = learned.origins.T
    free = learned.kept.copy()
    free[image, row * side + column] = False
    candidates = np.flatnonzero(free if free.any() else learned.kept)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(candidates, min(_HELD_BACK, len(candidates)), replace=False))
    image, position = np.divmod(chosen, features.shape[1])
    return features[image, position]


def _trust(prepared: Prepared, learned: MemoryBank, choices: Choices) -> NDArray[np.bool_]:
    """Say which images may set the threshold, bool `[N]`: what a person kept, and of the rest the good."""
    suspicion = prepared.estimate.images
    if prepared.settings.discriminator == "auto":
        trusted = np.asarray(suspicion <= 1)
    else:  # a fixed share is thrown away, of the images too
        rank = np.argsort(np.argsort(suspicion, kind="stable"))
        trusted = rank < len(rank) - int(prepared.settings.tau * len(rank))
    for row, digest in enumerate(prepared.images.digests):
        if digest in choices.images:
            trusted[row] = choices.images[digest].action == "keep"
    return trusted if trusted.any() else np.asarray(learned.kept.any(axis=1))


def _tool_versions(backbone: Backbone) -> dict[str, str]:
    return {
        "softcore": version("softcore"),
        "hnswlib": version("hnswlib"),
        "numpy": np.__version__,
        backbone.engine: backbone.version,
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
