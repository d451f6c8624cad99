"""ONNX file: writes a backbone as `backbone.onnx` and checks that it computes the same."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.bundle.manifest import Parity
from softcore_runtime.errors import ExportError
from torch import nn

__all__ = [
    "MOST_IR",
    "MOST_OPSET",
    "OPSET",
    "PARITY_TOLERANCE",
    "check_parity",
    "demand_readable",
    "write_onnx",
]

OPSET = 18
MOST_IR, MOST_OPSET = 10, 21  # the newest that ONNX Runtime 1.18 reads, the oldest for JetPack 6
PARITY_TOLERANCE = 1e-3  # of the largest feature


def write_onnx(network: nn.Module, crop: int, path: Path) -> None:
    """Write `network` (uint8 BGR crops `[B, crop, crop, 3]` in, features `[B, P, d]` out), any batch size.

    Raises:
        ExportError: the ONNX checker refuses the result.
    """
    example = torch.zeros(2, crop, crop, 3, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter about its own code
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            input_names=["crops"],
            opset_version=OPSET,
            output_names=["features"],
            verbose=False,
        )
    _lower(path)
    try:
        onnx.checker.check_model(path, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{path.name}: the ONNX checker refuses it ({error})") from error


def check_parity(network: nn.Module, backbone: Backbone, crops: NDArray[np.uint8]) -> Parity:
    """Compare torch's features with an FP32 backbone's on real crops uint8 `[B, crop, crop, 3]`.

    Raises:
        ExportError: torch's features hold NaN or infinity, or they differ by more than `PARITY_TOLERANCE` of
            the largest feature.
    """
    with torch.no_grad():
        expected = network(torch.from_numpy(crops)).numpy()
    if not np.isfinite(expected).all():
        raise ExportError(
            "this network's features hold NaN or infinity, in torch, too: its weights don't fit together; "
            "take other --weights"
        )
    actual = np.concatenate([backbone.features(crop[None]) for crop in crops])
    largest = float(np.abs(expected).max())
    difference = float(np.abs(actual - expected).max())
    relative = difference / largest if largest > 0 else difference
    if not relative <= PARITY_TOLERANCE:  # NaN fails too
        raise ExportError(
            f"{backbone.engine}'s features differ from torch's by {relative:.2g} of the largest "
            f"(at most {PARITY_TOLERANCE:g}): this export can't be trusted; try another --engine"
        )
    return Parity(max_abs=difference, max_relative=relative, frames=len(crops))


def demand_readable(path: Path) -> None:
    """Check that an older ONNX Runtime, as on a line computer, can read a file.

    Raises:
        ExportError: its format or its operator set is too new.
    """
    model = onnx.load(path, load_external_data=False)
    sets = {entry.domain: entry.version for entry in model.opset_import}
    if model.ir_version > MOST_IR or sets.get("", 0) > MOST_OPSET or set(sets) - {""}:
        told = ", ".join(f"{domain or 'ai.onnx'} {number}" for domain, number in sorted(sets.items()))
        raise ExportError(
            f"{path.name}: IR {model.ir_version} with operators of {told}, and ONNX Runtime 1.18 reads up to "
            f"IR {MOST_IR} and ai.onnx {MOST_OPSET}; install the versions of requirements.lock here"
        )


def _lower(path: Path) -> None:
    """Set the format version to `MOST_IR` where the exporter has written its library's latest one."""
    model = onnx.load(path)
    if model.ir_version > MOST_IR:
        model.ir_version = MOST_IR
        onnx.save(model, path)
