"""Offer: the networks that can be used as a backbone, with their sizes, read off torchvision's files.

torchvision isn't imported, which would take torch's seconds.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from softcore_export.backbone.catalogue import FILTERBANK, list_files

__all__ = ["BackboneOffer", "find_cache", "list_offers"]

_FILTERS = 203  # features of the filter bank: 75 of order 1, 128 of order 2
_FEATURES = {"BasicBlock": 384, "Bottleneck": 1536}  # of layer2 and layer3, by the block of a ResNet
_RECIPE = "IMAGENET1K_V1"  # the weights that are taken where there are several
_MEBI = 1.048576  # 10^6 bytes


@dataclass(frozen=True)
class BackboneOffer:
    """A network that can be used as a backbone.

    Attributes:
        name: what `--backbone` takes.
        parameters: number of its weights, all layers together; None if unknown.
        megabytes: size of the file of weights, in 10^6 bytes; None without one.
        features: dimension of a patch's features at the layers that are taken by default; None if it has no
            such layers, so that `--layers` must name others.
        weights: where torchvision keeps the file of weights after a download; None without one.
        code_licence: of the network's code.
        weights_licence: of its weights.

    Example:
        >>> next(offer.features for offer in list_offers() if offer.name == "resnet18")
        384
    """

    name: str
    parameters: int | None
    megabytes: float | None
    features: int | None
    weights: Path | None
    code_licence: str
    weights_licence: str

    @property
    def is_here(self) -> bool:
        """Whether it can be used without a download."""
        return self.name == FILTERBANK or (self.weights is not None and self.weights.is_file())


@dataclass(frozen=True)
class _Weights:
    """What torchvision says of one file of weights."""

    url: str
    parameters: int | None
    mebibytes: float | None
    swag: bool


def find_cache() -> Path:
    """Return the folder of torch's downloaded weights, as `torch.hub.get_dir()` has it."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))  # noqa: PTH118 - it may begin with ~
    return Path(home).expanduser() / "hub" / "checkpoints"


def list_offers() -> list[BackboneOffer]:
    """List what can be used as a backbone, the smallest first.

    Raises:
        MissingLibraryError: torchvision isn't installed.
    """
    found = [BackboneOffer(FILTERBANK, None, None, _FILTERS, None, "Apache-2.0", "no weights")]
    cache = find_cache()
    for path in list_files():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        weights = dict(_read_weights(tree))
        for name, kind, block in _read_builders(tree):
            file = weights.get(kind)
            found.append(
                BackboneOffer(
                    name,
                    file.parameters if file else None,
                    file.mebibytes * _MEBI if file and file.mebibytes else None,
                    _FEATURES.get(block),
                    cache / Path(file.url).name if file else None,
                    "BSD-3-Clause",
                    "CC-BY-NC-4.0" if file and file.swag else "*",
                )
            )
    return sorted(found, key=lambda offer: (offer.parameters or 0, offer.name))


def _read_builders(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Find the functions that build a network: its name, its class of weights, and its first argument."""
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        marks = [one for one in function.decorator_list if isinstance(one, ast.Call)]
        register = next((mark for mark in marks if _name(mark.func) == "register_model"), None)
        if register is None:
            continue
        given = [*register.args, *(keyword.value for keyword in register.keywords if keyword.arg == "name")]
        name = next((one.value for one in given if isinstance(one, ast.Constant)), function.name)
        yield str(name), _find_kind(function), _find_block(function)


def _find_kind(function: ast.FunctionDef) -> str:
    """Find the class of weights that a builder's argument `weights` is annotated with."""
    for argument in (*function.args.args, *function.args.kwonlyargs):
        if argument.arg == "weights" and argument.annotation:
            names = (one.id for one in ast.walk(argument.annotation) if isinstance(one, ast.Name))
            return next((name for name in names if name.endswith("_Weights")), "")
    return ""


def _find_block(function: ast.FunctionDef) -> str:
    """Find the block that a ResNet is made of; empty for other networks."""
    for one in ast.walk(function):
        if isinstance(one, ast.Call) and _name(one.func) == "_resnet" and one.args:
            return _name(one.args[0])
    return ""


def _read_weights(tree: ast.Module) -> Iterator[tuple[str, _Weights]]:
    """Read of each class of weights the file that is taken: of the first ImageNet recipe, or the default."""
    shared = {_name(line.targets[0]): line.value for line in tree.body if isinstance(line, ast.Assign)}
    for kind in tree.body:
        if not isinstance(kind, ast.ClassDef) or not kind.name.endswith("_Weights"):
            continue
        values = {_name(line.targets[0]): line.value for line in kind.body if isinstance(line, ast.Assign)}
        chosen = values.get(_RECIPE) or values.get(_name(values.get("DEFAULT")))
        if isinstance(chosen, ast.Call):
            yield kind.name, _read_file(chosen, shared)


def _read_file(call: ast.Call, shared: Mapping[str, ast.expr]) -> _Weights:
    """Read the description of a file of weights: `Weights(url="...", meta={"num_params": 1, ...})`."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    entries = dict(_read_entries(keywords.get("meta"), shared))
    parameters, size = entries.get("num_params"), entries.get("_file_size")
    return _Weights(
        str(_value(keywords.get("url")) or ""),
        parameters if isinstance(parameters, int) else None,
        size if isinstance(size, float) else None,
        "SWAG" in str(entries.get("license")),
    )


def _read_entries(node: ast.expr | None, shared: Mapping[str, ast.expr]) -> Iterator[tuple[object, object]]:
    """Read the entries of a dict, with those of the dicts that it includes (`**_COMMON_META`)."""
    if not isinstance(node, ast.Dict):
        return
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            yield from _read_entries(shared.get(_name(value)), shared)
        else:
            yield _value(key), _value(value)


def _name(node: ast.expr | None) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _value(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None
