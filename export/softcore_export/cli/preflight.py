"""Preflight: the checks of an export that need no torch, whose import takes seconds."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from softcore_runtime.backends.backbones import check_choice
from softcore_runtime.backends.engine import Engine, Provider
from softcore_runtime.cli.checks import gather_mistakes
from softcore_runtime.errors import UsageError
from softcore_runtime.exam.exam import read_exam
from softcore_runtime.exam.places import read_places
from softcore_runtime.images.file_names import to_text

from softcore_export.backbone.capability import check_device, check_precision
from softcore_export.backbone.catalogue import FILTERBANK, check_backbone
from softcore_export.cli.options import name_backbone
from softcore_export.cli.settings_options import read_max_images, read_settings
from softcore_export.contamination.choices import choices_path, read_choices
from softcore_export.data.confirmed_images import ConfirmedImages, find_confirmed
from softcore_export.data.dataset import FEWEST, TrainingImages, find_category
from softcore_export.data.labelled_images import LabelledImages, find_labelled
from softcore_export.settings import ExportSettings
from softcore_export.staging_directory import check_target

__all__ = ["ExportRequest", "check_key", "check_network", "check_own_network", "check_request"]

_STATE_DICTS = (b"PK", b"\x80")  # first bytes of torch's files: a zip archive, or a pickle in older ones


@dataclass(frozen=True)
class ExportRequest:
    """An export whose options passed all checks.

    Attributes:
        settings: how to train.
        folder: of the category, ROOT/CATEGORY.
        images: the training images; None if they are to be drawn first.
        max_images: largest number of them that is used; None for all.
        labelled: the labelled images; None if none are given.
        confirmed: the parts that a person has confirmed; they are part of `images`.
        target: the bundle's folder.
        good: places of parts that were confirmed as good.
        bad: places of parts that were confirmed as defective.
        labels: tables and folders with both.
    """

    settings: ExportSettings
    folder: Path
    images: TrainingImages | None
    max_images: int | None
    labelled: LabelledImages | None
    confirmed: ConfirmedImages
    target: Path
    good: tuple[Path, ...] = ()
    bad: tuple[Path, ...] = ()
    labels: tuple[Path, ...] = ()


def check_request(options: argparse.Namespace) -> ExportRequest:
    """Check the options, and return what they ask for.

    Raises:
        UsageError: mistakes of the user, all that were found.
        SoftCoreError: there is only one fault, of another kind (too few images).
    """
    root = options.data or Path("demo" if options.demo else os.environ.get("SOFTCORE_DATA", "datasets"))
    folder, target = root / options.category, options.out / options.category
    images = max_images = labelled = None
    confirmed = ConfirmedImages()
    with gather_mistakes() as attempt:
        with attempt():
            max_images = read_max_images(options, FEWEST)
        with attempt():
            settings = read_settings(options)
        with attempt():
            check_key(options.sign)
        with attempt():
            check_own_network(options)
        with attempt():
            if options.labelled:
                labelled = find_labelled(options.labelled)
        with attempt():
            confirmed = find_confirmed(options.good, options.bad, options.labels)
        with attempt():
            _check_category(options.category, target)
            with gather_mistakes() as inner:
                with inner():
                    if not options.demo or folder.exists():
                        folder = find_category(root, options.category)
                        images = TrainingImages.find(folder, max_images)
                with inner():
                    check_target(target)
                    read_choices(choices_path(target))
                with inner():
                    read_exam(target)
                    read_places(target)
        if images and confirmed:
            with attempt():
                images = images.confirm(confirmed)
    places = (tuple(options.good), tuple(options.bad), tuple(options.labels))
    return ExportRequest(settings, folder, images, max_images, labelled, confirmed, target, *places)


def _check_category(name: str, target: Path) -> None:
    if not name or name != Path(name).name or name.startswith("."):
        raise UsageError(f"--category {name!r}: must be a plain name")
    if to_text(target) != str(target):  # neither a manifest nor ONNX's checker takes such a path
        raise UsageError(
            f"{to_text(target)}: a bundle's path must be UTF-8; rename the folder, or choose --out"
        )


def check_key(file: Path | None) -> None:
    """Check that a private key can be used, before the work that it signs.

    Raises:
        UsageError: it can't be.
    """
    if file is not None:
        # Imported here: only who signs needs the library.
        from softcore_runtime.signing.private_key import read_key

        read_key(file)


def check_own_network(options: argparse.Namespace) -> None:
    """Check the network that the options ask for: see `check_network`.

    Raises:
        UsageError: mistakes of the user, all that were found.
    """
    check_network(
        name_backbone(options), options.weights, options.layers, options.engine, options.provider,
        options.precision, options.device,
    )  # fmt: skip


def check_network(
    backbone: str,
    weights: Path | None,
    layers: Sequence[str],
    engine: Engine | Literal["auto"],
    provider: Provider | Literal["auto"],
    precision: str,
    device: str,
) -> None:
    """Check that a network can be had and computed here, without opening it.

    Raises:
        UsageError: mistakes of the user, all that were found.
    """
    with gather_mistakes() as attempt:
        with attempt():
            check_backbone(backbone)
        with attempt():
            _check_weights(backbone, weights, layers)
        with attempt():
            check_choice(engine, provider)
            if provider in ("auto", "cpu"):
                check_precision(engine, precision)
        with attempt():
            check_device(device)


def _check_weights(backbone: str, weights: Path | None, layers: Sequence[str]) -> None:
    """Check that a backbone takes weights and layers, and that the weights' file can be read."""
    if backbone == FILTERBANK and (weights or layers):
        raise UsageError("--backbone filterbank has fixed filters: it takes no --weights and no --layers")
    if weights is None:
        return
    try:
        with weights.open("rb") as stream:
            beginning = stream.read(2)
    except OSError as error:
        raise UsageError(f"--weights {weights}: {error.strerror or error}") from error
    if not beginning.startswith(_STATE_DICTS):
        raise UsageError(f"--weights {weights}: not a PyTorch state dict")
