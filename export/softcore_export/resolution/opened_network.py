"""Opened network: a backbone with its windows, at the resolution that was asked for or that pays."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from softcore_runtime.alignment.aligned_preprocessing import remove_alignment
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import FrameError, ImageError, UsageError
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.images.windows import Outline
from torch import nn

from softcore_export.alignment.alignment_choice import AlignmentChoice
from softcore_export.backbone.backbone import LoadedBackbone, coarsen_grid, load_backbone
from softcore_export.backbone.network import Network, open_network
from softcore_export.data.dataset import TrainingImages
from softcore_export.data.inspected_region import find_outline
from softcore_export.data.labelled_images import find_labelled
from softcore_export.data.survey import survey
from softcore_export.data.training_set import sample_crops
from softcore_export.resolution.measurement import Opened, measure_resolutions
from softcore_export.resolution.resolution_choice import ResolutionChoice
from softcore_export.resolution.separation import Subject
from softcore_export.settings import ExportSettings
from softcore_export.windows.bank_choice import are_windows_unlike, choose_distance
from softcore_export.windows.window_choice import choose_windows

__all__ = ["OpenedNetwork", "open_chosen"]

_SAMPLE = 64  # images that parity and the ranges of INT8 are measured on
_COMPARED = 8  # images whose windows are compared with each other


@dataclass(frozen=True, eq=False)
class OpenedNetwork:
    """A network that is ready to compute features of the training images.

    Attributes:
        loaded: torch's network.
        network: its ONNX file, opened.
        settings: with the preprocessing, windows included, and the size of the coreset.
        resolution: what the resolution was chosen from; None where it was given.
    """

    loaded: LoadedBackbone
    network: Network
    settings: ExportSettings
    resolution: ResolutionChoice | None = None


def open_chosen(
    images: TrainingImages, settings: ExportSettings, alignment: AlignmentChoice, place: Path
) -> OpenedNetwork:
    """Write and open the network, at the resolution that pays if `settings.resolution` says so.

    Where the windows lie, and which resolution was chosen, is printed.

    Args:
        images: the training images.
        settings: how to train.
        alignment: how the images are aligned before they are resized.
        place: a folder for the networks' files.

    Raises:
        UsageError: the settings can't be met with this network or these images.
        DataError: no image can be read.
        ExportError: as `open_network`.
    """
    outline = find_outline(settings.windows, images.paths, alignment.align(settings.preprocessing))
    choice = None
    if settings.resolution == "auto":
        labelled = find_labelled(settings.labelled) if settings.labelled else None

        def open_at(side: int) -> Opened[OpenedNetwork]:
            folder = place / str(side)
            folder.mkdir()
            sized = Preprocessing(resize=side, crop=side, white=settings.preprocessing.white)
            changed = settings.model_copy(update={"preprocessing": sized})
            opened = _open(images, changed, alignment, outline, folder)
            return Opened(opened, Subject(opened.network.backbone, opened.settings.preprocessing))

        opened, choice = measure_resolutions(
            open_at,
            images.paths,
            labelled.images if labelled else (),
            settings.budget,
            settings.seed,
            images.confirmed.bad,
        )
        print_message(f"resolution {choice.describe()}")
        opened = OpenedNetwork(opened.loaded, opened.network, opened.settings, choice)
    else:
        opened = _open(images, settings, alignment, outline, place)
    if opened.settings.preprocessing.windows:
        print_message(opened.settings.preprocessing.describe())
    return opened


def _open(
    images: TrainingImages,
    settings: ExportSettings,
    alignment: AlignmentChoice,
    outline: Outline,
    place: Path,
) -> OpenedNetwork:
    crop = settings.preprocessing.crop
    loaded = load_backbone(settings.backbone, settings.weights, settings.layers, crop)
    side = _measure_side(loaded.network, crop)
    if settings.grid is not None:
        if settings.grid > side:
            raise UsageError(
                f"--grid {settings.grid}: the network gives {side} x {side} patches for {crop} pixels"
            )
        coarse = coarsen_grid(loaded.network, side, settings.grid)
        loaded = LoadedBackbone(coarse, loaded.name, loaded.layers, loaded.weights_sha256)
        side = settings.grid
    settings = _place_windows(settings, images, outline, side)
    aligned = alignment.align(settings.preprocessing)
    ratio = settings.find_ratio(side * side)
    settings = settings.model_copy(update={"coreset_ratio": ratio, "preprocessing": aligned})
    sample = sample_crops(images, settings.preprocessing, _SAMPLE)
    network = open_network(loaded, settings, sample, place)
    settings = _part_windows(settings, images, network, alignment)
    return OpenedNetwork(loaded, network, settings)


def _part_windows(
    settings: ExportSettings, images: TrainingImages, network: Network, alignment: AlignmentChoice
) -> ExportSettings:
    """Give each window a part of the memory bank, if that is asked for or the windows differ."""
    preprocessing, request = settings.preprocessing, settings.windows.bank_per
    windows = preprocessing.windows
    if windows is None or windows.count == 1 or request == "shared":
        return settings
    rows = np.unique(np.linspace(0, len(images.paths) - 1, _COMPARED).round().astype(int))
    features = []
    for row in rows:
        with suppress(FrameError, ImageError):  # the scan reports it
            features.append(
                network.backbone.features(preprocessing.cut(preprocessing.read(images.paths[row])))
            )
    if len(features) < 2:
        return settings
    some = np.stack(features)  # [S, count, p, d]
    if request == "auto" and not are_windows_unlike(some, settings.seed):
        return settings
    parted = windows.model_copy(update={"apart": choose_distance(some)})
    plain = remove_alignment(preprocessing).model_copy(update={"windows": parted})
    return settings.model_copy(update={"preprocessing": alignment.align(plain)})


def _measure_side(network: nn.Module, crop: int) -> int:
    """Measure the rows, and columns, of a network's grid for a crop."""
    with torch.no_grad():
        return math.isqrt(network(torch.zeros(1, crop, crop, 3, dtype=torch.uint8)).shape[1])


def _place_windows(
    settings: ExportSettings, images: TrainingImages, outline: Outline, side: int
) -> ExportSettings:
    """Place the windows that are asked for."""
    preprocessing = settings.preprocessing
    if preprocessing.windows or settings.windows.is_plain:
        return settings
    sizes = survey(images.paths).different
    if not sizes:  # the scan explains what is wrong with the images
        return settings
    windows = choose_windows(settings.windows, sizes, preprocessing.crop, side, outline)
    if windows is None:
        return settings
    changed = Preprocessing(
        resize=preprocessing.crop, crop=preprocessing.crop, white=preprocessing.white, windows=windows
    )
    return settings.model_copy(update={"preprocessing": changed})
