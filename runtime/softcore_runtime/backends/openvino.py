"""OpenVINO: the only module that knows it."""

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
def _leave_out_telemetry() -> Iterator[None]:
    """Keep OpenVINO from its library of telemetry, in whose place it then takes a stub that sends nothing.

    With it the import alone tells Google Analytics of this machine, and keeps an id in the home.
    """
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == _TELEMETRY}
    sys.modules.update({_TELEMETRY: None})  # type: ignore[dict-item]  # as if it weren't installed
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(before)


try:
    with _leave_out_telemetry():
        import openvino
except ImportError as error:  # pragma: no cover - seen by tests/runtime/test_imports.py in a subprocess
    raise explain_import(error, "openvino") from error

__all__ = ["OpenVinoBackbone", "computes_in_bf16"]

_DEVICE = "CPU"


class OpenVinoBackbone:
    """`backbone.onnx` by OpenVINO: see `softcore_runtime.backends.engine.Backbone`.

    Args:
        path: the ONNX file.
        precision: `bf16` is taken where the CPU has it, else `fp32`; an `int8` graph's other operators
            are `fp32`.
        threads: all operators' together; None takes every CPU this process may use.

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
            # Read once: what may lie there later is another bundle's.
            self._model = self._core.read_model(path)
        except (RuntimeError, ValueError) as error:  # a name in it may be no UTF-8
            raise BundleCorruptError(f"{path}: OpenVINO refuses it ({_last_line(error)})") from error
        self._requests: dict[tuple[int, ...], openvino.InferRequest] = {}
        self._turn = threading.Lock()  # a request's output is its own memory

    def features(
        self, crops: NDArray[np.uint8], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute patch features, float32 `[B, P, d]`, of uint8 BGR crops `[B, crop, crop, 3]`."""
        try:
            if crops.dtype != np.uint8:
                raise RuntimeError(f"crops must be uint8, not {crops.dtype}")
            with self._turn:
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

    def open_index(self, bank: NDArray[np.float32]) -> None:
        """Leave the search to the host's own index."""

    def _compile(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        """Compile for one shape: with the batch left open the CPU's kernels are slower."""
        model = self._model.clone()
        wanted = model.input(0).partial_shape
        if not wanted.compatible(openvino.PartialShape(list(shape))):  # or it would be made to fit
            raise RuntimeError(f"crops must be {wanted}, not {list(shape)}")
        model.reshape(list(shape))
        return self._core.compile_model(model, _DEVICE, self._options).create_infer_request()


def computes_in_bf16() -> bool:
    """Tell whether this machine's CPU has BF16, with which networks run nearly twice as fast."""
    return "BF16" in openvino.Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")


def _last_line(error: Exception) -> str:
    """Keep what says most; above it stand OpenVINO's own source files."""
    return str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
