"""Engine: the library that runs `backbone.onnx`, chosen among those that are installed."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import MissingLibraryError

__all__ = ["ENGINES", "Backbone", "Engine", "Precision", "choose_engine", "open_backbone", "usable_cpus"]

Engine = Literal["openvino", "onnxruntime"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]

ENGINES: tuple[Engine, ...] = get_args(Engine)  # the faster on a CPU first (`softcore_benchmarks.latency`)
_NAMES = {"openvino": ("OpenVINO", "openvino"), "onnxruntime": ("ONNX Runtime", "cpu")}  # and their extras


class Backbone(Protocol):
    """A network that is ready to run.

    Attributes:
        engine: the library.
        version: the library's.
        provider: the part of it that computes.
        precision: what it computes in: `fp32`, `bf16`, `fp16` or `int8`.
    """

    engine: Engine
    version: str
    provider: str
    precision: Precision

    def features(
        self, crops: NDArray[np.uint8], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute patch features, float32 `[B, P, d]`, of uint8 BGR crops `[B, crop, crop, 3]`.

        Into `out`, where it is given: new memory for every frame costs as much as a search.

        Raises:
            BundleCorruptError: the crops don't fit the network.
        """
        ...


def choose_engine(wanted: Engine | Literal["auto"] = "auto") -> Engine:
    """Take the engine that is wanted; `auto` takes the fastest that is installed.

    Raises:
        MissingLibraryError: it isn't installed, or for `auto` none is.
    """
    there = [engine for engine in ENGINES if find_spec(engine)]
    engine: Engine = wanted if wanted != "auto" else there[0] if there else "onnxruntime"
    if engine not in there:
        raise MissingLibraryError(*_NAMES[engine])
    return engine


def open_backbone(
    path: Path, engine: Engine, precision: Precision = "fp32", threads: int | None = None
) -> Backbone:
    """Open `backbone.onnx`.

    Args:
        path: the ONNX file.
        engine: from `choose_engine`.
        precision: what to compute in; `backbone.precision` says what it is, where this machine can't.
        threads: inside one operator; None takes every CPU this process may use.

    Raises:
        BundleCorruptError: the engine refuses the file.
        MissingLibraryError: the engine isn't installed.
    """
    if engine == "openvino":
        from softcore_runtime.openvino import OpenVinoBackbone

        return OpenVinoBackbone(path, precision, threads or usable_cpus())
    from softcore_runtime.ort import OnnxBackbone

    return OnnxBackbone(path, precision, threads or usable_cpus())


def usable_cpus() -> int:
    """Count the CPUs that this process may use."""
    return len(os.sched_getaffinity(0))
