"""ONNX Runtime: the only module that uses it, on a CPU, on a GPU by CUDA, or by TensorRT."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import logging
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.backends.devices import (
    Build,
    Device,
    find_device,
    find_engines,
    find_missing,
    list_needed,
    save_engines,
)
from softcore_runtime.backends.engine import Engine, Precision, Provider
from softcore_runtime.errors import BundleCorruptError, ProviderError
from softcore_runtime.missing_library import explain_import

try:
    import onnxruntime
except ImportError as error:  # pragma: no cover - seen by tests/runtime/test_imports.py in a subprocess
    raise explain_import(error, "cpu") from error

__all__ = ["OnnxBackbone", "OnnxIndex", "require_provider"]

_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_PROVIDERS: dict[Provider, str] = {"cpu": _CPU, "cuda": _CUDA, "tensorrt": _TENSORRT}
_TITLES: dict[Provider, str] = {"cpu": "CPU", "cuda": "CUDA", "tensorrt": "TensorRT"}
_INSTALL = {
    "cuda": "run: pip install 'onnxruntime-gpu[cuda,cudnn]' (a Jetson has them: docs/how-to/jetson.md)",
    "tensorrt": "install NVIDIA's TensorRT (a Jetson has it: docs/how-to/jetson.md)",
}
# `tests/runtime/backends/test_ort.py` has their text.
_NEAREST = Path(__file__).with_name("nearest.onnx")
_NEAREST_WITH_FLOORS = Path(__file__).with_name("nearest_with_floors.onnx")
_INFER = "libnvinfer.so"
_QUERIES = 256  # number of queries compared with the bank at a time, which bounds the memory
_BATCH = "batch"  # the export's name of the network's open dimension
# The same network must give the same numbers in every run: no kernel chosen by timing, no TF32.
_CUDA_OPTIONS = {"device_id": 0, "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": 0}
_SILENT, _WARNING = 4, 2  # levels of ONNX Runtime's own log

_log = logging.getLogger(__name__)


class OnnxBackbone:
    """`backbone.onnx` by ONNX Runtime: see `softcore_runtime.backends.engine.Backbone`.

    Args:
        path: the ONNX file; TensorRT's engines for this machine's GPU are kept beside it.
        precision: the graph's own; `bf16` isn't available here and becomes `fp32`.
        threads: number of threads inside one operator; None takes every CPU this process may use.
        provider: what computes. There is no fallback: if a GPU fails, so does the call.
        build: whether TensorRT may build engines, which takes minutes; otherwise they must exist.

    Raises:
        BundleCorruptError: ONNX Runtime refuses the file, or later the crops.
        ProviderError: `provider` can't compute here, as the message explains; or later the GPU fails.
    """

    engine: Engine = "onnxruntime"
    version: str = onnxruntime.__version__

    def __init__(
        self,
        path: Path,
        precision: Precision = "fp32",
        threads: int | None = None,
        provider: Provider = "cpu",
        build: bool = True,
    ) -> None:
        self.precision: Precision = "fp32" if precision == "bf16" else precision
        self.provider: Provider = provider
        self.choice = ""
        self.device: Device | None = None if provider == "cpu" else require_provider(provider)
        self.engine_folder: Path | None = None
        self._path = path
        options = _make_session_options(threads, provider)
        if provider == "tensorrt":
            # An engine is for one shape: several frames go through it one after the other.
            options.add_free_dimension_override_by_name(_BATCH, 1)
            self._session = self._open_tensorrt(options, build)
        else:
            self._session = _open_session(path, options, provider, {})
        (crops,) = self._session.get_inputs()
        self._input = crops.name
        if self.device:  # some libraries are loaded only now
            self._check_run(crops.shape[1:])

    def features(
        self, crops: NDArray[np.uint8], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Compute patch features, float32 `[B, P, d]`, of uint8 BGR crops `[B, crop, crop, 3]`."""
        parts = [crops]
        if self.provider == "tensorrt":
            parts = [crops[row : row + 1] for row in range(len(crops))]
        try:
            outputs = [self._session.run(None, {self._input: part})[0] for part in parts]
        except Exception as error:
            message = f"{self._path}: ONNX Runtime can't run it ({_first_line(error)})"
            fits = self.device is not None and type(error).__name__ != "InvalidArgument"
            raise (ProviderError if fits else BundleCorruptError)(message) from error
        output: NDArray[np.float32] = outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
        if out is None:
            return output
        np.copyto(out, output)
        return out

    def open_index(self, bank: NDArray[np.float32], floors: NDArray[np.float32]) -> OnnxIndex | None:
        """Copy the bank, float32 `[n, d]` and `[n]`, to the GPU; return None on a CPU."""
        return None if self.device is None else OnnxIndex(bank, self.provider, floors)

    def _check_run(self, shape: list[int]) -> None:
        """Run a black crop through the network.

        Raises:
            ProviderError: it fails.
        """
        try:
            self.features(np.zeros((1, *shape), np.uint8))
        except BundleCorruptError as error:
            raise ProviderError(str(error)) from error

    def _open_tensorrt(self, options: Any, build: bool) -> Any:
        assert self.device is not None  # noqa: S101 - `require_provider` has found it
        bundle = self._path.parent
        wanted = Build(
            device=self.device,
            tensorrt=_read_tensorrt_version(),
            onnxruntime=self.version,
            precision=self.precision,
            network=_hash_network(self._path),
        )
        self.engine_folder = find_engines(bundle, wanted)
        if self.engine_folder:
            kept = _make_tensorrt_options(self.precision, self.engine_folder)
            try:
                return _open_session(self._path, options, "tensorrt", kept)
            except ProviderError:
                if not build:
                    raise
        if not build:
            raise ProviderError("it has no engines for this GPU yet: softcore-edge prepare builds them")
        _log.warning("TensorRT builds its engines for %s: that takes minutes, once", self.device.name)
        with save_engines(bundle, wanted) as (draft, timing):
            session = _open_session(
                self._path, options, "tensorrt", _make_tensorrt_options(self.precision, draft, timing)
            )
        self.engine_folder = find_engines(bundle, wanted)
        return session


class OnnxIndex:
    """The nearest entry by a matrix product over the whole bank; see `backends.engine.Index`.

    In float32 and approximate: the search measures its entries again.

    Args:
        bank: float32 `[n, d]`; a copy goes to the provider's own memory.
        provider: what computes.
        floors: float32 `[n]`; None or zeros without floors.
    """

    def __init__(
        self,
        bank: NDArray[np.float32],
        provider: Provider = "cpu",
        floors: NDArray[np.float32] | None = None,
    ) -> None:
        place: Provider = "cpu" if provider == "cpu" else "cuda"
        halves = np.einsum("nd,nd->n", bank, bank, dtype=np.float64) / 2
        constants = {"bank": np.asarray(bank), "halves": halves.astype(np.float32)}
        graph = _NEAREST
        if floors is not None and floors.any():
            graph = _NEAREST_WITH_FLOORS
            with np.errstate(over="ignore"):
                constants["floors"] = np.square(floors) / 2
        self._session = _open_session(graph, _make_session_options(1, place), place, {})
        self._constants = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), place, 0)
            for name, array in constants.items()
        }

    def nearest(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return, for queries float32 `[q, d]`, an entry that is probably the nearest: int64 `[q]`."""
        binding = self._session.io_binding()
        for name, value in self._constants.items():
            binding.bind_ortvalue_input(name, value)
        entries = np.empty(len(queries), np.int64)
        for start in range(0, len(queries), _QUERIES):
            part = slice(start, start + _QUERIES)
            binding.bind_cpu_input("queries", np.ascontiguousarray(queries[part]))
            binding.bind_output("entries", "cpu")
            self._session.run_with_iobinding(binding)
            entries[part] = binding.copy_outputs_to_cpu()[0]
        return entries


def require_provider(provider: Provider) -> Device:
    """Find the GPU that `provider`, `cuda` or `tensorrt`, computes on, and its libraries.

    Raises:
        ProviderError: what is missing, and how to install it.
    """
    available = onnxruntime.get_available_providers()
    if _PROVIDERS[provider] not in available:
        without = _TITLES[provider] if _CUDA in available else "CUDA"
        raise ProviderError(
            f"this ONNX Runtime is built without {without}; run: pip uninstall --yes onnxruntime && "
            "pip install 'softcore[gpu]' (on a Jetson NVIDIA's wheel: docs/how-to/jetson.md)"
        )
    device = find_device()
    built = getattr(onnxruntime, "cuda_version", "")
    if built and _parse_major(built) > _parse_major(device.driver):
        raise ProviderError(
            f"this ONNX Runtime is built for CUDA {built}, and NVIDIA's driver has {device.driver}; "
            "install a later driver, or an earlier onnxruntime-gpu"
        )
    _preload_libraries(provider)
    for needed in ("cuda", "tensorrt")[: 1 + (provider == "tensorrt")]:  # CUDA runs what TensorRT can't
        missing = find_missing(_find_provider_library(needed))
        if missing:
            raise ProviderError(f"{', '.join(missing)} can't be loaded; {_INSTALL[needed]}")
    return device


def _make_session_options(threads: int | None, provider: Provider) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cpus()
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT  # failures are raised, too
    options.use_deterministic_compute = provider != "cpu"
    # Spinning threads would take the cores that the search needs between two frames.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _make_tensorrt_options(
    precision: Precision, engines: Path, timing: Path | None = None
) -> dict[str, object]:
    """Return options of TensorRT; `engines` is the folder that it reads, or writes if it is empty."""
    return {
        "device_id": 0,
        "trt_fp16_enable": precision == "fp16",
        "trt_int8_enable": precision == "int8",
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": timing is not None,
        "trt_timing_cache_path": str(timing or ""),
    }


def _open_session(path: Path, options: Any, provider: Provider, tensorrt: dict[str, object]) -> Any:
    """Open a session that computes with `provider` and nothing else.

    Raises:
        BundleCorruptError: ONNX Runtime refuses the file.
        ProviderError: it refuses the provider.
    """
    chain: list[str | tuple[str, dict[str, object]]] = [_CPU]
    if provider != "cpu":
        chain.insert(0, (_CUDA, dict(_CUDA_OPTIONS)))
    if provider == "tensorrt":
        chain.insert(0, (_TENSORRT, tensorrt))
    try:
        with _silence() if provider != "cpu" else contextlib.nullcontext():
            session = onnxruntime.InferenceSession(str(path), options, providers=chain, enable_fallback=0)
            session.disable_fallback()  # or it would continue on the CPU if a GPU fails
    except Exception as error:  # the only base of ONNX Runtime's exceptions
        if provider == "cpu" or not path.is_file():
            raise BundleCorruptError(f"{path}: ONNX Runtime refuses it ({_first_line(error)})") from error
        raise ProviderError(f"ONNX Runtime can't open {path.name} there ({_first_line(error)})") from error
    if session.get_providers()[0] != _PROVIDERS[provider]:
        raise ProviderError(f"ONNX Runtime finds no way to compute with {_TITLES[provider]} here")
    return session


def _parse_major(version: str) -> int:
    return int(version.partition(".")[0])


def _preload_libraries(provider: Provider) -> None:
    """Load the libraries that pip installed outside the search path of the system's loader."""
    if hasattr(onnxruntime, "preload_dlls"):
        with _silence():  # `require_provider` reports what is missing
            onnxruntime.preload_dlls()
    if provider == "tensorrt" and find_spec("tensorrt"):
        with contextlib.suppress(Exception):
            import_module("tensorrt")


def _find_provider_library(provider: str) -> Path:
    return Path(onnxruntime.__file__).parent / "capi" / f"libonnxruntime_providers_{provider}.so"


def _read_tensorrt_version() -> str:
    """Return TensorRT's version, such as `10.3.0`."""
    name = next(
        (name for name in list_needed(_find_provider_library("tensorrt")) if name.startswith(_INFER)), _INFER
    )
    try:
        number = int(ctypes.CDLL(name).getInferLibVersion())
    except (AttributeError, OSError) as error:
        raise ProviderError(f"TensorRT's own library doesn't tell its version ({error})") from error
    major = 10_000 if number >= 10_000 else 1_000  # 10.3.0 is 100300, 8.6.1 was 8601
    return f"{number // major}.{number % major // 100}.{number % 100}"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep ONNX Runtime's output off the terminal: failures are raised as errors."""
    onnxruntime.set_default_logger_severity(_SILENT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)


def _hash_network(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BundleCorruptError(f"{path}: ONNX Runtime refuses it ({error.strerror})") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
