"""ONNX Runtime: the only module that knows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.engine import Engine, Precision, usable_cpus
from softcore_runtime.errors import BundleCorruptError, MissingLibraryError

try:
    import onnxruntime
except ImportError as error:  # pragma: no cover - seen by tests/runtime/test_imports.py in a subprocess
    raise MissingLibraryError("ONNX Runtime", "cpu") from error

__all__ = ["OnnxBackbone"]


class OnnxBackbone:
    """`backbone.onnx` by ONNX Runtime: see `softcore_runtime.engine.Backbone`.

    Args:
        path: the ONNX file.
        precision: the graph's own; `bf16` isn't to be had here and becomes `fp32`.
        threads: inside one operator; None takes every CPU this process may use.

    Raises:
        BundleCorruptError: ONNX Runtime refuses the file, or later the crops.
    """

    engine: Engine = "onnxruntime"
    version: str = onnxruntime.__version__

    def __init__(self, path: Path, precision: Precision = "fp32", threads: int | None = None) -> None:
        self.precision: Precision = "fp32" if precision == "bf16" else precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cpus()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the cores that the search needs between two frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            self._input = self._session.get_inputs()[0].name
        except Exception as error:  # ONNX Runtime's exceptions share no base but this one
            raise BundleCorruptError(f"{path}: ONNX Runtime refuses it ({_first_line(error)})") from error
        self._path = path
        self.provider: str = self._session.get_providers()[0]

    def features(
        self, crops: NDArray[np.uint8], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute patch features, float32 `[B, P, d]`, of uint8 BGR crops `[B, crop, crop, 3]`."""
        try:
            output: NDArray[np.float32] = self._session.run(None, {self._input: crops})[0]
        except Exception as error:
            raise BundleCorruptError(
                f"{self._path}: ONNX Runtime can't run it ({_first_line(error)})"
            ) from error
        if out is None:
            return output
        np.copyto(out, output)
        return out


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
