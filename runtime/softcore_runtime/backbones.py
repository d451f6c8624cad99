"""Backbones: one network in memory, however many bundles of a process were learned with it."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path

from softcore_runtime.engine import Backbone, Engine, Precision, open_backbone, usable_cpus

__all__ = ["share_backbone"]

_Key = tuple[str, Engine, Precision, int]

_lock = threading.Lock()
_open: weakref.WeakValueDictionary[_Key, Backbone] = weakref.WeakValueDictionary()


def share_backbone(
    path: Path, sha256: str, engine: Engine, precision: Precision, threads: int | None
) -> Backbone:
    """Open `backbone.onnx`, unless a network with the same content is in use and open in the same way.

    Args:
        path: the ONNX file, whose content has been verified.
        sha256: the file's, in hex.
        engine, precision, threads: as for `open_backbone`, which also says what is raised.
    """
    key = (sha256, engine, precision, threads or usable_cpus())
    with _lock:
        backbone = _open.get(key)
        if backbone is None:
            backbone = _open[key] = open_backbone(path, engine, precision, threads)
        return backbone
