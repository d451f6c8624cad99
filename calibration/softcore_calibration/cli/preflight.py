"""Preflight: the checks of a calibration that need no bundle loaded and no image scored."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
from softcore_runtime.backends.backbones import check_choice
from softcore_runtime.bundle.bundle import manifest_path, read_manifest
from softcore_runtime.cli.bundle_choice import choose_bundle
from softcore_runtime.cli.checks import gather_mistakes
from softcore_runtime.cli.numbers import check_numbers
from softcore_runtime.errors import UsageError
from softcore_runtime.images.image_file import read_image

from softcore_calibration.cli.options import list_given, list_places, read_objective
from softcore_calibration.data.samples import Samples, find_samples
from softcore_calibration.objective import Objective

__all__ = ["CalibrationRequest", "check_output_file", "check_request"]


@dataclass(frozen=True)
class CalibrationRequest:
    """A calibration whose options passed all checks.

    Attributes:
        bundle: its folder.
        samples: what to score.
        objective: what the threshold is chosen for.
        mask: an image of a frame, written as PNG, white where nothing is inspected.
    """

    bundle: Path
    samples: Samples
    objective: Objective
    mask: bytes | None


def check_request(options: argparse.Namespace) -> CalibrationRequest:
    """Check the options, and return what they ask for.

    Raises:
        UsageError: mistakes of the user, all that were found.
        SoftCoreError: there is only one fault, of another kind (no bundle, no images).
    """
    objective, samples, mask = Objective(), Samples(), None
    with gather_mistakes() as attempt:
        with attempt():
            bundle = choose_bundle(options.bundle)
            read_manifest(bundle)
            if not options.dry_run:
                _check_writable(bundle, options.revert)
        with attempt():
            check_numbers(options)
            objective = read_objective(options)
        with attempt():
            _check_combinations(options)
        with attempt():
            check_output_file("--report", options.report)
        with attempt():
            _check_key(options.sign)
        with attempt():
            mask = _read_mask(options.mask)
        with attempt():
            check_choice(options.engine, options.provider)
        with attempt():
            samples = find_samples(list_places(options))
    return CalibrationRequest(bundle, samples, objective, mask)


def _check_combinations(options: argparse.Namespace) -> None:
    others = [
        name for name in list_given(options) if name not in ("--revert", "--accept", "--sign", "--debug")
    ]
    if options.revert and others:
        raise UsageError(
            "--revert goes back to the threshold before, and takes nothing else: leave out "
            f"{', '.join(others)}"
        )
    if options.serve and options.dry_run:
        raise UsageError("--serve changes nothing until its button is pressed; leave out --dry-run")


def _check_writable(bundle: Path, revert: bool) -> None:
    file = manifest_path(bundle)
    if not (os.access(bundle, os.W_OK) and os.access(file, os.W_OK)):
        advice = "" if revert else "; --dry-run only finds the threshold"
        raise UsageError(f"{file}: can't be written by you{advice}")


def check_output_file(option: str, file: Path | None) -> None:
    """Check that a file can be written at the end of the work.

    Raises:
        UsageError: it can't.
    """
    if file is None:
        return
    folder = file.parent
    if not folder.is_dir():
        raise UsageError(f"{option} {file}: there is no folder {folder}")
    if file.is_dir():
        raise UsageError(f"{option} {file}: that is a folder; name a file in it")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{option} {file}: {folder} can't be written by you")


def _check_key(file: Path | None) -> None:
    if file is not None:
        # Imported here: only who signs needs the library.
        from softcore_runtime.signing.private_key import read_key

        read_key(file)


def _read_mask(path: Path | None) -> bytes | None:
    """Read a mask of any image format and write it as PNG.

    Raises:
        ImageError: it is no image.
    """
    return None if path is None else bytes(cv2.imencode(".png", read_image(path))[1].tobytes())
