"""Backbones: opens networks; bundles with the same network share one in memory."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Literal

from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.backends.devices import find_device
from softcore_runtime.backends.engine import (
    Backbone,
    Engine,
    Precision,
    Provider,
    choose_engine,
)
from softcore_runtime.errors import MissingLibraryError, ProviderError, UsageError

__all__ = ["check_choice", "open_backbone", "share_backbone"]

_ON_GPU: tuple[Provider, ...] = ("tensorrt", "cuda")
_Key = tuple[str, Engine | Literal["auto"], Engine, Precision, int, Provider | Literal["auto"], bool]

_lock = threading.Lock()
_open: weakref.WeakValueDictionary[_Key, Backbone] = weakref.WeakValueDictionary()


def share_backbone(
    path: Path,
    sha256: str,
    engine: Engine | Literal["auto"],
    precision: Precision,
    threads: int | None,
    provider: Provider | Literal["auto"] = "cpu",
    *,
    preferred: Engine | None = None,
    build: bool = False,
) -> Backbone:
    """Open `backbone.onnx`, or return the one in use with the same content and options.

    Args:
        path: the ONNX file, whose content has been verified.
        sha256: the file's, in hex.
        engine: this and the others as for `open_backbone`, with the same errors.
        precision: what to compute in.
        threads: inside one operator.
        provider: what computes.
        preferred: the engine for `auto`.
        build: whether TensorRT may build engines for `auto`.
    """
    on_cpu = choose_engine(engine, preferred)
    key = (sha256, engine, on_cpu, precision, threads or usable_cpus(), provider, build)
    with _lock:
        backbone = _open.get(key)
        if backbone is None:
            backbone = open_backbone(
                path, engine, precision, threads, provider, preferred=preferred, build=build
            )
            _open[key] = backbone
        return backbone


def open_backbone(
    path: Path,
    engine: Engine | Literal["auto"],
    precision: Precision = "fp32",
    threads: int | None = None,
    provider: Provider | Literal["auto"] = "cpu",
    *,
    preferred: Engine | None = None,
    build: bool = False,
) -> Backbone:
    """Open `backbone.onnx`.

    Args:
        path: the ONNX file.
        engine: the library; `auto` takes what the provider needs, on a CPU as `choose_engine`.
        precision: what to compute in; `backbone.precision` is another if this machine can't.
        threads: inside one operator; None takes every CPU this process may use.
        provider: what computes; `auto` takes the first of `PROVIDERS` that can here. If TensorRT is named
            it builds missing engines for this GPU, which takes minutes.
        preferred: for `choose_engine`.
        build: whether TensorRT may also build engines for `auto`, which otherwise skips it without them.

    Raises:
        BundleCorruptError: the engine refuses the file.
        MissingLibraryError: the engine isn't installed.
        ProviderError: the provider can't compute here; the message explains why.
        UsageError: engine and provider don't go together.
    """
    threads = threads or usable_cpus()
    why = ""
    if provider == "auto" and engine != "openvino":
        try:
            find_device()  # without a GPU ONNX Runtime needn't be loaded
            return _open_on_gpu(path, precision, threads, build)
        except (MissingLibraryError, ProviderError) as error:
            why = str(error)
    if provider == "auto" or provider == "cpu":
        backbone = _open_on_cpu(path, choose_engine(engine, preferred), precision, threads)
        backbone.choice = why
        return backbone
    if engine == "openvino":
        raise UsageError(
            f"provider {provider}: ONNX Runtime has it, openvino doesn't; leave out one of the two"
        )
    try:
        return _open_onnx(path, precision, threads, provider, build=True)
    except ProviderError as error:
        raise ProviderError(f"provider {provider}: {error}") from error


def check_choice(engine: Engine | Literal["auto"], provider: Provider | Literal["auto"]) -> None:
    """Check that an engine and a provider are available, as far as that is known without loading one.

    Args:
        engine: the value of `--engine`.
        provider: the value of `--provider`.

    Raises:
        MissingLibraryError: the engine isn't installed.
        ProviderError: there is no GPU for the provider.
        UsageError: the two don't go together.

    Example:
        >>> check_choice("openvino", "cuda")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.UsageError: --provider cuda: ONNX Runtime has it, OpenVINO doesn't; ...
    """
    if provider not in _ON_GPU:
        choose_engine(engine)
        return
    if engine == "openvino":
        raise UsageError(f"--provider {provider}: ONNX Runtime has it, OpenVINO doesn't; leave out --engine")
    choose_engine("onnxruntime")
    try:
        find_device()
    except ProviderError as error:
        raise ProviderError(f"--provider {provider}: {error}; take --provider cpu, or auto") from error


def _open_on_gpu(path: Path, precision: Precision, threads: int, build: bool) -> Backbone:
    """Open the first provider of a GPU that can compute here; `choice` explains why not those before.

    Raises:
        ProviderError: none can; the message explains why.
    """
    refused: dict[str, list[str]] = {}
    for provider in _ON_GPU:
        try:
            backbone = _open_onnx(path, precision, threads, provider, build)
        except ProviderError as error:
            refused.setdefault(str(error), []).append(provider)
            continue
        backbone.choice = _format_refusals(refused)
        return backbone
    raise ProviderError(_format_refusals(refused))


def _format_refusals(refused: dict[str, list[str]]) -> str:
    return "; ".join(f"not {' or '.join(providers)}: {reason}" for reason, providers in refused.items())


def _open_on_cpu(path: Path, engine: Engine, precision: Precision, threads: int) -> Backbone:
    if engine == "openvino":
        from softcore_runtime.backends.openvino import OpenVinoBackbone

        return OpenVinoBackbone(path, precision, threads)
    return _open_onnx(path, precision, threads, "cpu", build=False)


def _open_onnx(path: Path, precision: Precision, threads: int, provider: Provider, build: bool) -> Backbone:
    from softcore_runtime.backends.ort import OnnxBackbone

    return OnnxBackbone(path, precision, threads, provider, build)
