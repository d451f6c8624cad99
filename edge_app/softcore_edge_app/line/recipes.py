"""Recipes: the bundles that a camera's parts can be decided by, one of them in use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Inspector, UsageError
from softcore_runtime.training import read_training

from softcore_edge_app.frames.frame_checks import FrameChecks

__all__ = ["Recipe", "Recipes"]


@dataclass(frozen=True, eq=False)
class Recipe:
    """A bundle ready to decide: its self-test was passed.

    Attributes:
        name: what it is switched to with.
        inspector: what decides.
        checks: what no part can look like; None where everything is inspected.
        looks: of the N training pictures, float64 `[N, 3]`, see `measure_look`.
    """

    name: str
    inspector: Inspector
    checks: FrameChecks | None
    looks: NDArray[np.float64]


class Recipes:
    """A camera's recipes. Each switch verifies and tests the bundle as it lies there then.

    Args:
        paths: the bundles' folders by the recipes' names, in the order that a PLC counts them in; the first
            is in use at the start.
        load: opens a bundle and repeats its self-test.
        unchecked: whether to inspect also what no part can look like.

    Raises:
        BundleError: the first can't be used.
    """

    def __init__(
        self, paths: Mapping[str, Path], load: Callable[[Path], Inspector], *, unchecked: bool = False
    ) -> None:
        self.names = tuple(paths)
        self._paths = dict(paths)
        self._load = load
        self._unchecked = unchecked
        self._turn = threading.Lock()
        self.current = self._open(self.names[0])

    def switch(self, name: str, confirm: Callable[[], object] | None = None) -> Recipe:
        """Let another recipe decide, once it is loaded, has passed its self-test, and is confirmed.

        Args:
            name: its name.
            confirm: called then; what it raises leaves the one in use.

        Raises:
            UsageError: there is none of that name.
            BundleError: it can't be used; the one in use stays.
        """
        if name not in self._paths:
            raise UsageError(f"no recipe {name!r}; there are: {', '.join(self.names)}")
        with self._turn:  # two who ask at once get one after the other
            opened = self._open(name)
            if confirm:
                confirm()
            self.current = opened
            return opened

    def _open(self, name: str) -> Recipe:
        path = self._paths[name]
        inspector, training = self._load(path), read_training(path)
        checks = None if self._unchecked else FrameChecks(training)
        return Recipe(name, inspector, checks, training.looks)
