"""Preparation: everything that is computed from the training images before a memory bank is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.cli.progress import print_message, track
from softcore_runtime.errors import FrameError, ImageError, UsageError
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_export.alignment.alignment_choice import AlignmentChoice, choose_alignment
from softcore_export.alignment.small_images import read_small
from softcore_export.backbone.backbone import LoadedBackbone, load_backbone
from softcore_export.backbone.network import Network
from softcore_export.contamination.estimate import ContaminationEstimate, estimate_contamination
from softcore_export.data.bit_depth import find_bit_depth
from softcore_export.data.dataset import TrainingImages, hash_if_readable
from softcore_export.data.features import KnownFeatures
from softcore_export.data.image_facts import SeenImage
from softcore_export.data.labelled_images import find_labelled
from softcore_export.data.training_set import TrainingScan, TrainingSet
from softcore_export.duration import announce_duration
from softcore_export.feature_store.feature_store import FeatureStore, StoreSection
from softcore_export.feature_store.identity import identify_images
from softcore_export.resolution.opened_network import open_chosen
from softcore_export.resolution.resolution_choice import ResolutionChoice
from softcore_export.settings import ExportSettings
from softcore_export.stage_times import time_stage
from softcore_export.staging_directory import scratch

__all__ = ["DefectFeatures", "PreparedExport", "find_inspected", "prepare"]


@dataclass(frozen=True, eq=False)
class DefectFeatures:
    """Features of the B images that a person has confirmed as defective.

    Attributes:
        paths: the images that could be read, `[B]`.
        features: float32 `[B, P, d]`, mapped from disk.
        plain: float32 `[B, P, d']`, of the plain FP32 network, where another one ships.
    """

    paths: tuple[Path, ...]
    features: NDArray[np.float32]
    plain: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class PreparedExport:
    """Network, features and contamination estimate: the same for every memory bank drawn from the images.

    Attributes:
        images: the training images, as they were read.
        settings: how to train; its preprocessing aligns, if images are aligned.
        alignment: how, and why.
        device: of the discriminator and the coreset.
        loaded: torch's network.
        network: its ONNX file, opened.
        features: float32 `[N, P, d]`, mapped from disk.
        plain_features: float32 `[N, P, d']`, of the plain FP32 network, where another one ships.
        estimate: how suspect the images are.
        seconds: wall time of each stage.
        defects: of parts that a person has confirmed as defective.
        resolution: what the resolution was chosen from; None where it was given.

    Example:
        >>> prepared
        PreparedExport(12 images, features 12x64x203, filterbank)
        >>> prepared.features.shape, prepared.features.dtype
        ((12, 64, 203), dtype('float32'))
    """

    images: TrainingSet
    settings: ExportSettings
    alignment: AlignmentChoice
    device: torch.device
    loaded: LoadedBackbone
    network: Network
    features: NDArray[np.float32]
    plain_features: NDArray[np.float32] | None
    estimate: ContaminationEstimate
    seconds: dict[str, float]
    defects: DefectFeatures
    resolution: ResolutionChoice | None = None

    def __repr__(self) -> str:
        size = "x".join(map(str, self.features.shape))
        return f"PreparedExport({len(self.images.paths)} images, features {size}, {self.loaded.name})"

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the feature grid, P = H * W.

        Example:
            >>> prepared.grid
            (8, 8)
        """
        return _find_grid(self.features, self.settings.preprocessing)

    @property
    def inspected(self) -> NDArray[np.bool_]:
        """Which positions of the grid are inspected, bool `[P]`.

        Example:
            >>> prepared.inspected.shape, bool(prepared.inspected.all())
            ((64,), True)
        """
        found = find_inspected(self.settings.preprocessing, self.grid)
        return np.ones(self.features.shape[1], np.bool_) if found is None else found

    @property
    def may_fall_back(self) -> bool:
        """Whether FP32 may ship instead: no person has asked for the faster precision.

        Example:
            >>> prepared.may_fall_back
            False
        """
        asked = self.settings.precision != "auto" or self.settings.dimensions is not None
        return not asked and self.plain_features is not None and self.network.backbone.precision != "fp32"

    def in_fp32(self) -> PreparedExport:
        """Return the same with the plain network and its features; the contamination is estimated again.

        Only where `may_fall_back`.

        Example:
            >>> if prepared.may_fall_back:
            ...     prepared = prepared.in_fp32()
            >>> prepared.network.backbone.precision
            'fp32'
        """
        assert self.plain_features is not None and self.defects.plain is not None  # noqa: S101, PT018
        seconds = dict(self.seconds)
        with time_stage(seconds, "suspicion"):
            estimate = estimate_contamination(
                self.plain_features,
                self.grid,
                self.device,
                self.settings.seed,
                inspected=find_inspected(self.settings.preprocessing, self.grid),
            )
        return replace(
            self,
            network=self.network.in_fp32(),
            features=self.plain_features,
            plain_features=None,
            defects=replace(self.defects, features=self.defects.plain, plain=None),
            estimate=estimate,
            seconds=seconds,
        )


@contextmanager
def prepare(
    images: TrainingImages, target: Path, settings: ExportSettings, store: FeatureStore | None = None
) -> Iterator[PreparedExport]:
    """Write the network as ONNX, compute the features with it, and estimate the contamination.

    A context manager: the files, and with them the features, are deleted at the end of the block.

    Args:
        images: the images to train on.
        target: where the bundle will be; scratch files lie beside it.
        settings: how to train.
        store: has the features of images that were looked at before, and gets the others'; None computes all.

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
    settings = _set_white(settings, images)
    count = len(images.paths)
    seconds: dict[str, float] = {}

    with scratch(target) as place:
        alignment = AlignmentChoice()
        if settings.align != "none":
            with time_stage(seconds, "alignment"):
                alignment = _choose_alignment(settings, images, device)
        with time_stage(seconds, "backbone"):
            opened = open_chosen(images, settings, alignment, place)
            settings, network = opened.settings, opened.network
            preprocessing = settings.preprocessing
            if settings.labelled:
                _check_labelled(settings.labelled, settings)

        with time_stage(seconds, "features"):
            scan = TrainingScan(images, preprocessing, StoreSection(store, identify_images(preprocessing)))
            seen = track(announce_duration(scan.walk(), count, network, settings, device), "features", count)
            shipped = KnownFeatures(network.backbone, network.file, preprocessing, store)
            features = shipped.map(seen, place / "features")  # [N, P, d]
            training_set = scan.finish()
            plain = plain_features = None
            if network.plain:
                again = track(
                    training_set.see_again(preprocessing), "features in fp32", len(training_set.paths)
                )
                plain = KnownFeatures(network.plain, network.plain_file, preprocessing, store)
                plain_features = plain.map(again, place / "plain features")  # [N, P, d']
            defects = _extract_defects(shipped, plain, training_set.defects, place)

        with time_stage(seconds, "suspicion"):
            grid = _find_grid(features, preprocessing)
            inspected = find_inspected(preprocessing, grid)
            estimate = estimate_contamination(features, grid, device, settings.seed, inspected=inspected)

        yield PreparedExport(
            training_set, settings, alignment, device, opened.loaded, network, features, plain_features,
            estimate, seconds, defects, opened.resolution,
        )  # fmt: skip


def _extract_defects(
    shipped: KnownFeatures, plain: KnownFeatures | None, paths: Sequence[Path], place: Path
) -> DefectFeatures:
    """Compute the features of confirmed defects; those that can't be read are left out, with a warning."""
    readable: list[SeenImage] = []
    for path in paths:
        image = SeenImage(path, hash_if_readable(path), shipped.preprocessing)
        try:
            image.read()
        except (FrameError, ImageError) as error:
            print_message(f"warning: a confirmed defect can't be read and is left out: {path}: {error}")
            continue
        readable.append(image)
    if not readable:
        empty = np.zeros((0, 0, 0), np.float32)
        return DefectFeatures((), empty, empty)
    features = shipped.map(track(readable, "defects"), place / "defects")
    in_fp32 = plain.map(track(readable, "defects in fp32"), place / "defects in fp32") if plain else None
    return DefectFeatures(tuple(image.path for image in readable), features, in_fp32)


def find_inspected(preprocessing: Preprocessing, grid: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return which positions of a grid are inspected, bool `[P]`; None if all are."""
    outside = preprocessing.find_outside(grid)
    return None if outside is None else ~outside.ravel()


def _find_grid(features: NDArray[np.float32], preprocessing: Preprocessing) -> tuple[int, int]:
    height, width = preprocessing.canvas
    columns = round(math.sqrt(features.shape[1] * width / height))
    return features.shape[1] // columns, columns


def _choose_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no CUDA device here; take --device cpu, or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _set_white(settings: ExportSettings, images: TrainingImages) -> ExportSettings:
    """Set the value that is white in images of 16 bits, with a warning if it isn't the largest of 16 bits."""
    depth = find_bit_depth(images.paths)
    if said := depth.describe():
        print_message(f"warning: {said}")
    preprocessing = settings.preprocessing.model_copy(update={"white": depth.white})
    return settings.model_copy(update={"preprocessing": preprocessing})


def _choose_alignment(
    settings: ExportSettings, images: TrainingImages, device: torch.device
) -> AlignmentChoice:
    """Choose how images are aligned, and print it."""
    plain = settings.preprocessing
    network = load_backbone(settings.backbone, settings.weights, settings.layers, plain.crop).network
    some = read_small(images.paths, plain)
    alignment = choose_alignment(settings.align, some, plain, network, device)
    print_message(alignment.describe())
    return alignment


def _check_labelled(folder: Path, settings: ExportSettings) -> None:
    """Warn of labelled images that can't be read, and raise other faults, before the work begins."""
    for fault in find_labelled(folder).check(settings.preprocessing)[1]:
        print_message(f"warning: a labelled image could not be read and is left out: {fault}")
