"""Capability: what this machine has of what is wanted, as far as that is known without loading torch."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from softcore_runtime.devices import find_device
from softcore_runtime.engine import Engine, Precision, choose_engine
from softcore_runtime.errors import ProviderError, UsageError

__all__ = ["check_device", "check_engine", "choose_precision"]


def check_device(device: str) -> None:
    """Refuse CUDA where torch can't have it, as far as that is known without loading torch.

    Raises:
        UsageError: there is no GPU, or this torch is built without CUDA.
    """
    if device != "cuda":
        return
    try:
        built = version("torch")
    except PackageNotFoundError:  # importing it will tell
        return
    advice = "take --device cpu, or auto"
    if built.endswith("+cpu"):
        raise UsageError(f"--device cuda: PyTorch {built} is built without CUDA; {advice}")
    if "rocm" in built:  # AMD's, which torch calls cuda, too
        return
    try:
        find_device()
    except ProviderError as error:
        raise UsageError(f"--device cuda: {error}; {advice}") from error


def check_engine(engine: Engine | Literal["auto"], provider: str, precision: str) -> None:
    """Refuse an engine, a provider or a precision that isn't to be had, as far as that is known at once.

    Raises:
        MissingLibraryError: the engine isn't installed.
        ProviderError: there is no GPU for the provider.
        UsageError: engine, provider and precision don't go together.
    """
    if provider in ("cuda", "tensorrt"):
        if engine == "openvino":
            raise UsageError(
                f"--provider {provider}: ONNX Runtime has it, OpenVINO doesn't; leave out --engine"
            )
        choose_engine("onnxruntime")
        try:
            find_device()
        except ProviderError as error:
            raise ProviderError(f"--provider {provider}: {error}; take --provider cpu, or auto") from error
        return
    chosen = choose_engine(engine)
    if precision == "bf16":
        choose_precision("bf16", chosen)


def choose_precision(wanted: str, engine: Engine) -> Precision:
    """Take the precision that is wanted; `auto` takes BF16 where it is to be had, else FP32.

    Raises:
        UsageError: BF16 is wanted, and the engine or this CPU doesn't have it.
    """
    if wanted in ("auto", "bf16"):
        if engine == "openvino":
            from softcore_runtime.openvino import computes_in_bf16

            if computes_in_bf16():
                return "bf16"
        if wanted == "bf16":
            raise UsageError("--precision bf16: takes OpenVINO and a CPU that has it; take fp32 or int8")
        return "fp32"
    return wanted  # type: ignore[return-value]  # the settings have checked it
