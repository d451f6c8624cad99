"""Capability: checks devices and precisions on this machine, as far as possible without loading torch."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from softcore_runtime.backends.devices import find_device
from softcore_runtime.backends.engine import Engine, Precision, choose_engine
from softcore_runtime.errors import ProviderError, UsageError

__all__ = ["check_device", "check_precision", "choose_precision"]


def check_device(device: str) -> None:
    """Check that torch can use CUDA, as far as that is known without loading torch.

    Raises:
        UsageError: there is no GPU, or this torch is built without CUDA.
    """
    if device != "cuda":
        return
    try:
        built = version("torch")
    except PackageNotFoundError:  # reported when it is imported
        return
    advice = "take --device cpu, or auto"
    if built.endswith("+cpu"):
        raise UsageError(f"--device cuda: PyTorch {built} is built without CUDA; {advice}")
    if "rocm" in built:  # for AMD GPUs, which torch calls cuda, too
        return
    try:
        find_device()
    except ProviderError as error:
        raise UsageError(f"--device cuda: {error}; {advice}") from error


def check_precision(engine: Engine | Literal["auto"], precision: str) -> None:
    """Check that an engine and this CPU support a precision, as far as that is known at once.

    Raises:
        MissingLibraryError: the engine isn't installed.
        UsageError: BF16 is wanted, and the engine or this CPU doesn't support it.
    """
    if precision == "bf16":
        choose_precision(precision, choose_engine(engine))


def choose_precision(wanted: str, engine: Engine) -> Precision:
    """Return the wanted precision; `auto` is BF16 if the engine and this CPU support it, else FP32.

    Raises:
        UsageError: BF16 is wanted, and the engine or this CPU doesn't support it.
    """
    if wanted in ("auto", "bf16"):
        if engine == "openvino":
            from softcore_runtime.backends.openvino import computes_in_bf16

            if computes_in_bf16():
                return "bf16"
        if wanted == "bf16":
            raise UsageError("--precision bf16: takes OpenVINO and a CPU that has it; take fp32 or int8")
        return "fp32"
    return wanted  # type: ignore[return-value]  # checked by the settings
