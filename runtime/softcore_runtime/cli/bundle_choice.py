"""Bundle choice: which bundle a command takes, given its folder, its name, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

from softcore_runtime.bundle.folder_swap import list_replaced, restore
from softcore_runtime.cli.suggestion import suggest
from softcore_runtime.errors import BundleNotFoundError, UsageError

__all__ = ["BUNDLES", "VARIABLE", "choose_bundle", "is_bundle", "list_bundles"]

BUNDLES = Path("bundles")  # under the working folder; softcore-export writes there
VARIABLE = "SOFTCORE_BUNDLE"


def choose_bundle(given: str | None) -> Path:
    """Return the folder of a bundle; the bundle itself is verified when it is loaded.

    A bundle that an export was replacing when the machine stopped is restored.

    Args:
        given: a folder, or the name of one under `bundles/`. None takes `$SOFTCORE_BUNDLE`, then the
            only bundle under `bundles/`.

    Raises:
        UsageError: nothing was given, and there is no bundle or more than one; or a bundle can't be
            restored.
        BundleNotFoundError: there is no bundle of the given name.

    Example:
        >>> choose_bundle(str(path)) == path
        True
        >>> choose_bundle("pil")
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.BundleNotFoundError: pil: no bundle here (a folder with a manifest.json)
    """
    if given is not None:
        return _find_bundle(given, given or "''")
    if variable := os.environ.get(VARIABLE):
        return _find_bundle(variable, f"${VARIABLE} ({variable})")
    names = list_bundles()
    if len(names) == 1:
        return _find_bundle(names[0], names[0])
    if names:
        raise UsageError(f"{len(names)} bundles under {BUNDLES}/, name one: {', '.join(names)}")
    raise UsageError(
        f"no bundle under {BUNDLES}/ here: name a bundle's folder, set {VARIABLE}, "
        "or build one with softcore-export"
    )


def _find_bundle(given: str, called: str) -> Path:
    for path in (Path(given), BUNDLES / given):
        if given:
            restore(path)
            if _has_manifest(path):
                return path
    names = list_bundles()
    meant = suggest(Path(given).name, names)
    there = f"; under {BUNDLES}/ there is: {', '.join(names)}" if names else ""
    raise BundleNotFoundError(f"{called}: no bundle here (a folder with a manifest.json){meant}{there}")


def is_bundle(given: str) -> bool:
    """Return whether it is the folder of a bundle, or the name of one under `bundles/`."""
    return bool(given) and any(map(_has_manifest, (Path(given), BUNDLES / given)))


def list_bundles() -> list[str]:
    """Return the names of the bundles under `bundles/`, with one that is just being replaced."""
    try:
        # Hidden folders belong to exports that are running, or were interrupted.
        present = [path.name for path in BUNDLES.iterdir() if path.name[0] != "." and _has_manifest(path)]
        return sorted({*present, *list_replaced(BUNDLES)})
    except OSError:  # no such folder, or it can't be read
        return []


def _has_manifest(path: Path) -> bool:
    return (path / "manifest.json").is_file()
