"""Score cache: keeps scores by image and scorer, so that another objective needs no inspection."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cv2
from softcore_runtime import Inspector

__all__ = ["ScoreCache", "describe_scorer", "open_cache"]

# Files that a score depends on; bundles of format 3 have no floors.
_SCORING = ("backbone.onnx", "bank.npy", "weights.npy", "floors.npy", "reference.png")
_TABLE = """
CREATE TABLE IF NOT EXISTS images (
    scorer TEXT NOT NULL, image TEXT NOT NULL, score REAL NOT NULL, spread REAL NOT NULL,
    thumbnail BLOB NOT NULL, look BLOB NOT NULL, PRIMARY KEY (scorer, image)
) WITHOUT ROWID
"""


class ScoreCache:
    """The results of one scorer: (score, spread, thumbnail, image statistics) by the image's digest."""

    def __init__(self, database: sqlite3.Connection, scorer: str) -> None:
        self._database = database
        self._scorer = scorer

    def get(self, digest: str) -> tuple[float, float, bytes, bytes] | None:
        """Return an image's result; None if it isn't known."""
        found = self._database.execute(
            "SELECT score, spread, thumbnail, look FROM images WHERE scorer = ? AND image = ?",
            (self._scorer, digest),
        ).fetchone()
        return found and (float(found[0]), float(found[1]), bytes(found[2]), bytes(found[3]))

    def put(
        self, digest: str, score: float, spread: float, thumbnail: bytes, image_statistics: bytes
    ) -> None:
        """Write an image's result to the disk at once."""
        with (
            contextlib.suppress(sqlite3.OperationalError),
            self._database,
        ):  # on a full disk the image is scored again next time
            self._database.execute(
                "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?)",
                (self._scorer, digest, score, spread, thumbnail, image_statistics),
            )


@contextlib.contextmanager
def open_cache(inspector: Inspector, mask: bytes | None) -> Iterator[ScoreCache]:
    """Open the cache under `$XDG_CACHE_HOME`, else `~/.cache`; in memory if that can't be written."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "softcore"
    try:
        root.mkdir(parents=True, exist_ok=True)
        database = _connect(root / "scores.sqlite")
    except (OSError, sqlite3.Error):  # a read-only home, a damaged file
        database = _connect(":memory:")
    try:
        yield ScoreCache(database, describe_scorer(inspector, mask))
    finally:
        database.close()


def _connect(file: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=30)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(_TABLE)
    except sqlite3.Error:
        database.close()
        raise
    return database


def describe_scorer(inspector: Inspector, mask: bytes | None) -> str:
    """Hash everything that a score depends on except the image: bundle, mask, area, engine, libraries."""
    manifest, backbone = inspector.manifest, inspector.backbone
    parts = {
        "files": {name: manifest.files[name].sha256 for name in _SCORING if name in manifest.files},
        "preprocessing": manifest.preprocessing.model_dump(),
        "alignment": manifest.alignment and manifest.alignment.model_dump(),
        "limit": manifest.threshold.value,
        "min_area": manifest.threshold.min_area,
        "mask": mask and hashlib.sha256(mask).hexdigest(),
        "engine": backbone.engine,
        "provider": backbone.provider,
        "device": str(backbone.device),
        "precision": backbone.precision,
        "opencv": cv2.__version__,  # of a wheel or of the system's build
        "versions": {name: _version(name) for name in ("softcore", backbone.engine, "numpy")},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:  # a system's own build
        return None
