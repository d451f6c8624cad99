"""Catalogue: the names of torchvision's classification networks, read from its source files.

Importing torchvision loads torch, which takes seconds; a mistyped name is reported in a fraction of one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from softcore_runtime.cli.suggestion import suggest
from softcore_runtime.errors import MissingLibraryError, UsageError

__all__ = ["FILTERBANK", "check_backbone", "demand_known", "list_files", "list_networks"]

FILTERBANK = "filterbank"
# A registered builder: its decorators, of which one gives it a name if it has another than its function's.
_BUILDER = re.compile(
    r"^@register_model\((?:name=)?(?:[\"'](?P<name>\w+)[\"'])?\)\n(?:[@ )].*\n)*def (?P<function>\w+)\(",
    re.MULTILINE,
)


def list_networks() -> list[str]:
    """Return the sorted names that `torchvision.models.list_models(module=torchvision.models)` returns.

    Raises:
        MissingLibraryError: torchvision isn't installed.

    Example:
        >>> "resnet18" in list_networks()
        True
    """
    texts = (file.read_text(encoding="utf-8") for file in list_files())
    builders = (match for text in texts for match in _BUILDER.finditer(text))
    return sorted(builder["name"] or builder["function"] for builder in builders)


def list_files() -> list[Path]:
    """List the files of torchvision that have its classification networks.

    Raises:
        MissingLibraryError: torchvision isn't installed.
    """
    found = find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        raise MissingLibraryError("torchvision", "export")
    return sorted(Path(found.submodule_search_locations[0], "models").glob("*.py"))


def check_backbone(name: str) -> None:
    """Check that torchvision or SoftCore has a backbone of this name.

    Raises:
        UsageError: there is none of this name; the message suggests the nearest one.
        MissingLibraryError: torchvision isn't installed.

    Example:
        >>> check_backbone("resnet19")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.UsageError: --backbone resnet19: no such network; did you mean resnet18?
    """
    if name == FILTERBANK:
        return
    known = list_networks()
    if known:  # empty if torchvision registers them in another way; then loading the network checks the name
        demand_known(name, known)


def demand_known(name: str, known: Collection[str]) -> None:
    """Check that a network is among those that are known.

    Raises:
        UsageError: it isn't.
    """
    if name not in known:
        near = (
            suggest(name, [*known, FILTERBANK])
            or "; torchvision has resnet18, resnet50, wide_resnet50_2, ..."
        )
        raise UsageError(f"--backbone {name}: no such network{near}")
