"""Network: writes and opens the `backbone.onnx` that ships, and the plain network it is compared with."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.backends.backbones import open_backbone
from softcore_runtime.backends.engine import Backbone, Provider, choose_engine
from softcore_runtime.bundle import bundle
from softcore_runtime.bundle.manifest import Parity
from softcore_runtime.errors import UsageError

from softcore_export.backbone.backbone import LoadedBackbone, reduce_dimensions
from softcore_export.backbone.capability import check_precision, choose_precision
from softcore_export.backbone.onnx_file import check_parity, demand_readable, write_onnx
from softcore_export.memory_bank.coreset import draw_axes
from softcore_export.settings import ExportSettings

__all__ = ["Network", "open_network"]

_PARITY_FRAMES = 4


@dataclass(frozen=True, eq=False)
class Network:
    """A network on disk, opened.

    Attributes:
        file: the ONNX file that ships.
        backbone: the same, opened in the engine and precision of the line.
        plain: the network in FP32 with all its dimensions; None where `backbone` is that.
        plain_file: the ONNX file of the plain network.
        parity: agreement of the plain network with torch.
    """

    file: Path
    backbone: Backbone
    plain: Backbone | None
    plain_file: Path
    parity: Parity

    def in_fp32(self) -> Network:
        """Return the plain network as the one that ships."""
        assert self.plain is not None  # noqa: S101 - else there is nothing to fall back to
        return Network(self.plain_file, self.plain, None, self.plain_file, self.parity)


def open_network(
    loaded: LoadedBackbone,
    settings: ExportSettings,
    sample: NDArray[np.uint8],
    place: Path,
) -> Network:
    """Write `backbone.onnx` into `place` by the settings, and open it.

    Args:
        loaded: torch's network.
        settings: engine, provider, precision and dimensions.
        sample: training crops uint8 BGR `[B, crop, crop, 3]`, from which the ranges of INT8 are measured; the
            first few are used for the parity check.
        place: a folder.

    Raises:
        UsageError: the engine or this CPU doesn't support that precision.
        ProviderError: the provider doesn't work here.
        MissingLibraryError: the engine isn't installed.
        ExportError: the ONNX checker or the parity check refuses the network, or it can't be quantised.
    """
    if settings.provider in ("auto", "cpu"):  # those of a GPU are checked by opening the network
        choose_engine(settings.engine)
        check_precision(settings.engine, settings.precision)
    side, crops = settings.preprocessing.crop, sample[:_PARITY_FRAMES]
    plain_file, file = place / "plain.onnx", place / bundle.BACKBONE
    write_onnx(loaded.network, side, plain_file)
    # TensorRT takes minutes to build engines, which aren't needed here, and its FP32 is TF32.
    measure: Provider | Literal["auto"] = "cuda" if settings.provider == "tensorrt" else settings.provider
    plain = open_backbone(plain_file, settings.engine, "fp32", provider=measure)
    engine, measure = plain.engine, plain.provider
    provider = "tensorrt" if settings.provider == "tensorrt" else plain.provider
    precision = choose_precision(settings.precision, engine)
    parity = check_parity(loaded.network, plain, crops)
    if settings.dimensions is None:
        shutil.copyfile(plain_file, file)
    else:
        dim = plain.features(crops[:1]).shape[2]
        if settings.dimensions >= dim:
            raise UsageError(f"--dimensions {settings.dimensions}: the network gives only {dim}")
        axes = draw_axes(dim, np.random.default_rng(settings.seed), settings.dimensions)
        reduced = reduce_dimensions(loaded.network, torch.from_numpy(axes))
        write_onnx(reduced, side, file)
        parity = check_parity(reduced, open_backbone(file, engine, "fp32", provider=measure), crops)
    if precision in ("int8", "fp16"):
        from softcore_export.backbone import quantisation

        fp32 = place / "fp32.onnx"
        shutil.copyfile(file, fp32)
        if precision == "int8":
            quantisation.quantise(fp32, sample, file, symmetric=provider == "tensorrt")
        else:
            quantisation.to_half(fp32, file)
        exact = open_backbone(fp32, engine, "fp32", provider=measure)
        quantisation.check_closeness(open_backbone(file, engine, precision, provider=provider), exact, crops)
    demand_readable(file)
    same = precision == "fp32" and settings.dimensions is None and provider == measure
    backbone = open_backbone(file, engine, precision, provider=provider)
    return Network(file, backbone, None if same else plain, plain_file, parity)
