"""OpenVINO: the only module that uses it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.backends.devices import Device
from softcore_runtime.backends.engine import Engine, Precision, Provider
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.missing_library import explain_import

_TELEMETRY = "openvino_telemetry"


@contextmanager
def _block_telemetry() -> Iterator[None]:
    """Hide the telemetry library from OpenVINO, which then takes a stub that sends nothing.

    Otherwise the import alone sends an event to Google Analytics, and stores an id in the home folder.
    """
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == _TELEMETRY}
    sys.modules.update({_TELEMETRY: None})  # type: ignore[dict-item]  # as if it weren't installed
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(before)


try:
    with _block_telemetry():
        import openvino
except ImportError as error:  # pragma: no cover - seen by tests/runtime/test_imports.py in a subprocess
    raise explain_import(error, "openvino") from error

__all__ = ["OpenVinoBackbone", "computes_in_bf16"]

_DEVICE = "CPU"


class OpenVinoBackbone:
    """`backbone.onnx` by OpenVINO: see `softcore_runtime.backends.engine.Backbone`.

    Args:
        path: the ONNX file.
        precision: `bf16` is used if the CPU has it, else `fp32`; an `int8` graph's other operators
            are `fp32`.
        threads: number of threads of all operators together; None takes every CPU this process may use.

    Raises:
        BundleCorruptError: OpenVINO refuses the file, or later the crops.
    """

    engine: Engine = "openvino"
    version: str = openvino.__version__.partition("-")[0]
    provider: Provider = "cpu"
    device: Device | None = None
    engine_folder: Path | None = None

    def __init__(self, path: Path, precision: Precision = "fp32", threads: int | None = None) -> None:
        self._path = path
        self.choice = ""
        if precision == "bf16" and not computes_in_bf16():
            precision = "fp32"
        self.precision: Precision = precision
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": threads or usable_cpus(),
        }
        self._core = openvino.Core()
        try:
            # Read once: the file may be replaced by another bundle's.
            self._model = self._core.read_model(path)
        except (RuntimeError, ValueError) as error:  # a name in it may be no UTF-8
            raise BundleCorruptError(f"{path}: OpenVINO refuses it ({_last_line(error)})") from error
        self._requests: dict[tuple[int, ...], openvino.InferRequest] = {}
        self._lock = threading.Lock()  # a request's output is its own memory

    def features(
        self, crops: NDArray[np.uint8], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute patch features, float32 `[B, P, d]`, of uint8 BGR crops `[B, crop, crop, 3]`."""
        try:
            if crops.dtype != np.uint8:
                raise RuntimeError(f"crops must be uint8, not {crops.dtype}")
            with self._lock:
                if crops.shape not in self._requests:
                    self._requests[crops.shape] = self._compile(crops.shape)
                request = self._requests[crops.shape]
                output = request.infer({0: crops}, share_inputs=True, share_outputs=True)[0]
                if out is None:
                    return np.array(output)
                np.copyto(out, output)
                return out
        except (RuntimeError, ValueError) as error:
            raise BundleCorruptError(f"{self._path}: OpenVINO can't run it ({_last_line(error)})") from error

    def open_index(self, bank: NDArray[np.float32], floors: NDArray[np.float32]) -> None:
        """Return None: the host's own index is used."""

    def _compile(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        """Compile for one shape: with an open batch size the CPU's kernels are slower."""
        model = self._model.clone()
        wanted = model.input(0).partial_shape
        if not wanted.compatible(openvino.PartialShape(list(shape))):  # OpenVINO would reshape the network
            raise RuntimeError(f"crops must be {wanted}, not {list(shape)}")
        model.reshape(list(shape))
        return self._core.compile_model(model, _DEVICE, self._options).create_infer_request()


def computes_in_bf16() -> bool:
    """Return whether this machine's CPU has BF16, with which networks run nearly twice as fast."""
    return "BF16" in openvino.Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")


def _last_line(error: Exception) -> str:
    """Return the last line of a message; those above name OpenVINO's source files."""
    return str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
