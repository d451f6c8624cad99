"""Capability: what this machine has of what is wanted, as far as that is known without loading torch."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from softcore_runtime.backends.devices import find_device
from softcore_runtime.backends.engine import Engine, Precision, choose_engine
from softcore_runtime.errors import ProviderError, UsageError

__all__ = ["check_device", "check_precision", "choose_precision"]


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


def check_precision(engine: Engine | Literal["auto"], precision: str) -> None:
    """Refuse a precision that an engine or this CPU doesn't have, as far as that is known at once.

    Raises:
        MissingLibraryError: the engine isn't installed.
        UsageError: BF16 is wanted, and isn't to be had.
    """
    if precision == "bf16":
        choose_precision(precision, choose_engine(engine))


def choose_precision(wanted: str, engine: Engine) -> Precision:
    """Take the precision that is wanted; `auto` takes BF16 where it is to be had, else FP32.

    Raises:
        UsageError: BF16 is wanted, and the engine or this CPU doesn't have it.
    """
    if wanted in ("auto", "bf16"):
        if engine == "openvino":
            from softcore_runtime.backends.openvino import computes_in_bf16

            if computes_in_bf16():
                return "bf16"
        if wanted == "bf16":
            raise UsageError("--precision bf16: takes OpenVINO and a CPU that has it; take fp32 or int8")
        return "fp32"
    return wanted  # type: ignore[return-value]  # the settings have checked it
