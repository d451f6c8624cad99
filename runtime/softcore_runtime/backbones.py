"""Backbones: one network in memory, however many bundles of a process were learned with it."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Literal

from softcore_runtime.engine import (
    Backbone,
    Engine,
    Precision,
    Provider,
    choose_engine,
    open_backbone,
    usable_cpus,
)

__all__ = ["share_backbone"]

_Key = tuple[str, Engine | Literal["auto"], Engine, Precision, int, Provider | Literal["auto"], bool]

_lock = threading.Lock()
_open: weakref.WeakValueDictionary[_Key, Backbone] = weakref.WeakValueDictionary()


def share_backbone(
    path: Path,
    sha256: str,
    engine: Engine | Literal["auto"],
    precision: Precision,
    threads: int | None,
    provider: Provider | Literal["auto"] = "cpu",
    *,
    favourite: Engine | None = None,
    build: bool = False,
) -> Backbone:
    """Open `backbone.onnx`, unless the same content is in use already and was asked for in the same way.

    Args:
        path: the ONNX file, whose content has been verified.
        sha256: the file's, in hex.
        engine: this and what follows as for `open_backbone`, which also says what is raised.
        precision: what to compute in.
        threads: inside one operator.
        provider: what computes.
        favourite: the engine for `auto`.
        build: whether TensorRT may build engines for `auto`.
    """
    on_cpu = choose_engine(engine, favourite)
    key = (sha256, engine, on_cpu, precision, threads or usable_cpus(), provider, build)
    with _lock:
        backbone = _open.get(key)
        if backbone is None:
            backbone = open_backbone(
                path, engine, precision, threads, provider, favourite=favourite, build=build
            )
            _open[key] = backbone
        return backbone
