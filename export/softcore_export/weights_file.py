"""Weights file: reads a network's weights from a PyTorch file, also out of a checkpoint."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import UsageError
from torch import Tensor

__all__ = ["read_weights"]

_WRAPS = ("state_dict", "model_state_dict", "model", "network", "net")  # keys of a training's checkpoint
_COUNTER = "num_batches_tracked"  # of batch normalisation; not needed for inference


def read_weights(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read weights in single precision.

    The weights may be part of a checkpoint, and their names may have a prefix such as `module.` of a parallel
    training; a line on standard error says what was unwrapped. Half precision is converted.

    Args:
        path: a file that `torch.save` wrote.
        wanted: the network's own weights by name, with the shapes that it needs.

    Returns:
        the weights in `wanted`, float32, without the counters of batches.

    Raises:
        UsageError: the file can't be read, misses a weight, is of another network, or a weight isn't finite.
    """
    state, where = _unwrap(path, _load(path))
    names = [name for name in wanted if not name.endswith(_COUNTER)]
    prefix = _find_prefix(path, state, names)
    if where or prefix:
        said = [f"{where} is taken"] if where else []
        said += [f"names are read without {prefix}"] if prefix else []
        print_message(f"--weights {path}: {', '.join(said)}")
    return {name: _check(path, name, state.get(prefix + name), wanted[name]) for name in names}


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fault of the file is reported below, in one line
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"--weights {path}: {error.strerror or error}") from error
    except Exception as error:  # torch's unpickler raises undocumented kinds
        if "Unsupported global" in str(error):  # code, which is not executed
            raise UsageError(
                f"--weights {path}: not a PyTorch state dict alone: it holds Python objects, which could run "
                "code; save the network's state_dict() by itself"
            ) from error
        raise UsageError(f"--weights {path}: not a PyTorch state dict") from error


def _unwrap(path: Path, loaded: Any) -> tuple[dict[str, Tensor], str]:
    """Find the state dict in a loaded object; return it and the names of the objects around it."""
    where: list[str] = []
    while isinstance(loaded, dict) and not _is_state(loaded):
        inside = next((name for name in _WRAPS if isinstance(loaded.get(name), dict)), None)
        if inside is None:
            break
        loaded = loaded[inside]
        where.append(inside)
    if not isinstance(loaded, dict) or not _is_state(loaded):
        raise UsageError(f"--weights {path}: not a state dict of tensors")
    return loaded, " of ".join(reversed(where))


def _is_state(loaded: dict[Any, Any]) -> bool:
    return bool(loaded) and all(
        isinstance(name, str) and isinstance(value, Tensor) and value.layout == torch.strided
        for name, value in loaded.items()
    )


def _find_prefix(path: Path, state: Iterable[str], names: list[str]) -> str:
    """Find the prefix of all names; "" if there is none, or names are missing."""
    there = set(state)
    if not names or there.issuperset(names):
        return ""
    first = f".{names[0]}"
    prefixes = sorted(name.removesuffix(first) + "." for name in there if name.endswith(first))
    whole = [prefix for prefix in prefixes if there.issuperset(prefix + name for name in names)]
    if len(whole) > 1:
        raise UsageError(
            f"--weights {path}: holds several networks ({', '.join(whole)}); save the state dict of one"
        )
    return whole[0] if whole else prefixes[0] if len(prefixes) == 1 else ""


def _check(path: Path, name: str, value: Tensor | None, wanted: Tensor) -> Tensor:
    """Check a weight, and return it in single precision."""
    if value is None:
        raise UsageError(f"--weights {path}: {name} is missing, a weight of a layer that is used")
    if value.shape != wanted.shape:
        raise UsageError(
            f"--weights {path}: {name} is {list(value.shape)}, "
            f"this network needs {list(wanted.shape)}; are they another network's?"
        )
    if not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        raise UsageError(f"--weights {path}: {name} is {kind}; save the network in floating point")
    weight = value.float()
    if not torch.isfinite(weight).all():
        raise UsageError(
            f"--weights {path}: {name} holds NaN or infinity; the file is damaged, or its training diverged"
        )
    if name.endswith("running_var") and (weight < 0).any():
        raise UsageError(f"--weights {path}: {name} holds a negative variance; the file is damaged")
    return weight
