"""Engine: the library that runs `backbone.onnx`, its provider, and the choice among those installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.devices import Device
from softcore_runtime.errors import MissingLibraryError

__all__ = [
    "ENGINES",
    "PROVIDERS",
    "Backbone",
    "Computer",
    "Engine",
    "Index",
    "Precision",
    "Provider",
    "choose_engine",
    "compute_alike",
    "describe_backbone",
]

Engine = Literal["openvino", "onnxruntime"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
Provider = Literal["tensorrt", "cuda", "cpu"]

PROVIDERS: tuple[Provider, ...] = get_args(Provider)  # the fastest first
ENGINES: tuple[Engine, ...] = get_args(Engine)  # the fastest on a CPU first (`softcore_benchmarks.latency`)
_NAMES = {"openvino": ("OpenVINO", "openvino"), "onnxruntime": ("ONNX Runtime", "cpu")}  # and their extras


class Computer(Protocol):
    """What computed, or computes: a `Backbone`, or the record of one in a manifest."""

    @property
    def engine(self) -> Engine:
        """The library."""
        ...

    @property
    def provider(self) -> Provider:
        """The part of it that computes."""
        ...

    @property
    def precision(self) -> Precision:
        """The precision that it computes in."""
        ...


class Index(Protocol):
    """An approximate search: `softcore_runtime.search.search` measures its entries again."""

    def nearest(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return, for queries float32 `[q, d]`, an entry that is probably the nearest: int64 `[q]`.

        With floors F it is better one of the least max(||p - m||, F(m)).
        """
        ...


class Backbone(Protocol):
    """A network that is ready to run.

    Attributes:
        engine: the library.
        version: the library's.
        provider: the part of it that computes: `cpu`, `cuda` or `tensorrt`.
        precision: what it computes in: `fp32`, `bf16`, `fp16` or `int8`.
        choice: why `auto` didn't take a faster provider; empty if it did, or if one was named.
        device: the GPU that it computes on, if any.
        engine_folder: the folder of TensorRT's engines for this GPU; None if there are none.
    """

    engine: Engine
    version: str
    provider: Provider
    precision: Precision
    choice: str
    device: Device | None
    engine_folder: Path | None

    def features(
        self, crops: NDArray[np.uint8], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute patch features, float32 `[B, P, d]`, of uint8 BGR crops `[B, crop, crop, 3]`.

        Writes into `out` if given: new memory for every frame takes as long as a search.

        Raises:
            BundleCorruptError: the crops don't fit the network.
            ProviderError: the GPU fails.
        """
        ...

    def open_index(self, bank: NDArray[np.float32], floors: NDArray[np.float32]) -> Index | None:
        """Open a search of the bank, float32 `[n, d]` and `[n]`, beside the network; None on a CPU."""
        ...


def choose_engine(wanted: Engine | Literal["auto"] = "auto", preferred: Engine | None = None) -> Engine:
    """Return the engine that is wanted; for `auto` `preferred`, or else the fastest that is installed.

    Raises:
        MissingLibraryError: it isn't installed; for `auto`, none is.
    """
    installed = [engine for engine in ENGINES if find_spec(engine)]
    if wanted == "auto":
        engine: Engine = preferred if preferred in installed else installed[0] if installed else "onnxruntime"
    else:
        engine = wanted
    if engine not in installed:
        raise MissingLibraryError(*_NAMES[engine])
    return engine


def compute_alike(one: Computer, other: Computer) -> bool:
    """Return whether two have the same engine, provider and precision, so that their scores are the same."""
    return (one.engine, one.provider, one.precision) == (other.engine, other.provider, other.precision)


def describe_backbone(one: Computer) -> str:
    """Return engine, provider and precision in words."""
    where = "" if one.provider == "cpu" else f" on {one.provider}"
    return f"{one.engine}{where} in {one.precision}"
