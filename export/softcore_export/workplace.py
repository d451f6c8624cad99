"""Workplace: the folder in which a bundle is made, and its moving into place."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime.errors import UsageError

__all__ = ["workplace"]


@contextlib.contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target`; rename it to `target` at the end.

    If the block is left by an error or an interruption the folder is removed, the parents that were made
    for it too, and an earlier `target` stays as it was.

    Raises:
        UsageError: `target` is there and is no bundle, or its place can't be written.
    """
    if target.exists() and not (target / "manifest.json").is_file():
        raise UsageError(
            f"{target}: is there already and is not a bundle; move it away, or choose another --out"
        )
    made = [parent for parent in target.parents if not parent.exists()]
    place: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        place.chmod(0o755)  # mkdtemp's 0700 would keep the line's own user out
        yield place
        _move(place, target)
    except BaseException:
        if place:
            shutil.rmtree(place, ignore_errors=True)
        for parent in made:  # nearest first
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def _move(place: Path, target: Path) -> None:
    if not target.exists():
        place.rename(target)
        return
    old = place.with_suffix(".old")
    target.rename(old)
    try:
        place.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
