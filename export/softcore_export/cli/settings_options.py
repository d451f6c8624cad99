"""Settings from options: checks what `softcore-export` was given; returns the settings it asks for."""

from __future__ import annotations

import argparse

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from softcore_runtime.cli.checks import MistakesError
from softcore_runtime.cli.numbers import describe_range, is_whole
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.language.catalogue import choose_language

from softcore_export.backbone.catalogue import FILTERBANK
from softcore_export.cli.options import name_backbone
from softcore_export.settings import MOST_FLOOR, ExportSettings
from softcore_export.windows.window_request import WindowRequest

__all__ = ["read_max_images", "read_settings"]

_CROP = Preprocessing().crop
_SIDE = Preprocessing.model_fields["crop"]


def read_settings(options: argparse.Namespace) -> ExportSettings:
    """Return the settings that the options ask for.

    Raises:
        UsageError: numbers are out of range; all of them are reported.
    """
    _check_resolution(options)
    if options.resize is not None and (asked := _name_windows(options)):
        raise UsageError(f"--resize {options.resize}: has no meaning with {asked}; --crop is a window's side")
    try:
        return ExportSettings.model_validate(
            {
                "backbone": name_backbone(options),
                "weights": options.weights,
                "layers": tuple(options.layers),
                "discriminator": options.discriminator,
                "lof_k": options.lof_k,
                "tau": options.tau,
                "coreset_ratio": options.coreset_ratio,
                "sampler": options.sampler,
                "soft_weights": options.soft_weights,
                "floor": options.floor,
                "preprocessing": _choose_square(options),
                "windows": _request_windows(options),
                "align": _choose_alignment(options),
                "resolution": "auto" if options.resolution == "auto" else None,
                "budget": options.budget,
                "grid": options.grid,
                "engine": options.engine,
                "provider": options.provider,
                "precision": options.precision,
                "dimensions": options.dimensions,
                "labelled": options.labelled,
                "max_loss": options.max_loss,
                "no_worse": options.no_worse and not options.accept,
                "seed": options.seed,
                "device": options.device,
                "language": choose_language(options.language),
                "sign": options.sign,
            }
        )
    except ValidationError as error:
        mistakes = dict.fromkeys(_explain(mistake, options) for mistake in error.errors())
        raise MistakesError([*mistakes]) from error


def read_max_images(options: argparse.Namespace, fewest: int) -> int | None:
    """Return the number of `--max-images`; None if it isn't given.

    Raises:
        UsageError: it is no whole number, or below the `fewest` images that an export needs.
    """
    if options.max_images is None:
        return None
    if not options.max_images.isdecimal():
        raise UsageError(f"--max-images {options.max_images}: must be a whole number from {fewest} up")
    if int(options.max_images) < fewest:
        raise UsageError(f"--max-images {options.max_images}: at least {fewest} images are needed")
    return int(options.max_images)


def _name_windows(options: argparse.Namespace) -> str:
    """Return the first option that asks for windows, or nothing."""
    asked = {
        "--roi": options.roi,
        "--roi-image": options.roi_image,
        "--tile": options.tile,
        "--keep-aspect": options.keep_aspect or None,
    }
    return next((name for name, value in asked.items() if value is not None), "")


def _check_resolution(options: argparse.Namespace) -> None:
    if options.resolution is None:
        return
    for name, value in (("--resize", options.resize), ("--crop", options.crop)):
        if value is not None:
            raise UsageError(
                f"--resolution {options.resolution}: stands for --resize and --crop; leave out {name}"
            )
    if options.resolution != "auto" and not options.resolution.isdecimal():
        raise UsageError(
            f"--resolution {options.resolution}: must be auto or a whole number {describe_range(_SIDE)}"
        )


def _choose_square(options: argparse.Namespace) -> dict[str, object]:
    """Return the side of the square that images are squeezed to, and of what is inspected of it."""
    if options.resolution not in (None, "auto"):
        return {"resize": options.resolution, "crop": options.resolution}
    crop = _CROP if options.crop is None else options.crop
    return {"resize": crop if options.resize is None else options.resize, "crop": crop}


def _choose_alignment(options: argparse.Namespace) -> str:
    """Return how parts are aligned.

    Who names a place in the frame means the frame as the camera gives it. The filter bank is for trying out:
    aligning drawn pills by it makes more good images suspect.
    """
    if options.align is not None:
        return str(options.align)
    is_placed = options.roi not in (None, "auto") or options.roi_image is not None
    return "none" if is_placed or name_backbone(options) == FILTERBANK else "auto"


def _request_windows(options: argparse.Namespace) -> dict[str, object]:
    keep = options.keep_aspect
    if keep is None:  # who asks for a square gets one
        keep = "auto" if options.resize is None else False
    return {
        "roi": options.roi,
        "roi_image": options.roi_image,
        "tile": options.tile,
        "overlap": options.overlap,
        "keep_aspect": keep,
        "bank_per": options.bank_per,
    }


def _explain(mistake: ErrorDetails, options: argparse.Namespace) -> str:
    """Describe what is wrong with a number."""
    if mistake["loc"] == ("windows",):
        if options.roi is not None and options.roi_image is not None:
            return f"--roi {options.roi}: a region is given already, by --roi-image; leave out one of the two"
        return f"--tile {options.tile}: what tiles show is never squeezed; leave out --no-keep-aspect"
    if mistake["loc"][:2] == ("windows", "roi"):
        return f"--roi {options.roi}: {mistake['msg'].removeprefix('Value error, ')}"
    if not mistake["loc"]:  # of the settings together
        return (
            f"--floor {options.floor}: needs --no-soft-weights with --discriminator {options.discriminator}: "
            "an entry has either a floor or a soft weight"
        )
    if mistake["loc"][0] == "floor":  # one mistake for each kind of value that it may have
        return f"--floor {options.floor}: must be auto or a number from 0 to {MOST_FLOOR:g}"
    if mistake["loc"][0] == "coreset_ratio":
        return f"--coreset-ratio {options.coreset_ratio}: must be auto or a number above 0 and at most 1"
    *_, name = mistake["loc"]
    if name in ("resize", "crop") and options.resolution is not None:
        return f"--resolution {options.resolution}: must be auto or a whole number {describe_range(_SIDE)}"
    if name == "preprocessing":  # the only mistake that two options make together
        crop = _CROP if options.crop is None else options.crop
        return f"--crop {crop}: must not exceed --resize ({options.resize})"
    if name == "resize" and options.resize is None:
        name = "crop"  # which it is taken from
    models: tuple[type[BaseModel], ...] = (Preprocessing, WindowRequest, ExportSettings)
    field = next(model.model_fields[str(name)] for model in models if name in model.model_fields)
    wanted = f"a {'whole number' if is_whole(field) else 'number'} {describe_range(field)}".rstrip()
    return f"--{str(name).replace('_', '-')} {mistake['input']}: must be {wanted}"
