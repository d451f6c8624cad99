"""Recipes: the bundles that can decide on a camera's parts, one of them in use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import (
    BundleError,
    InspectionResult,
    Inspector,
    UsageError,
)
from softcore_runtime.bundle.baseline import Baseline, measure_baseline
from softcore_runtime.bundle.training import QUANTITIES, read_training
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.pipeline.shared_inspectors import SharedInspector, SharedInspectors

__all__ = ["Recipe", "Recipes"]


@dataclass(frozen=True, eq=False)
class Recipe:
    """A bundle that is ready to decide: it has passed its self-test.

    Attributes:
        name: name of the recipe.
        shared: what decides, for all cameras that use the bundle.
        checks: the checks of its frames; None if everything is inspected.
        image_statistics: of the N training images, float64 `[N, 3]`, see `measure_image_statistics`.
        baselines: of those statistics, by quantity; empty if there are too few training images.
    """

    name: str
    shared: SharedInspector
    checks: FrameChecks | None
    image_statistics: NDArray[np.float64]
    baselines: Mapping[str, Baseline] = field(default_factory=dict)

    @property
    def inspector(self) -> Inspector:
        """The inspector in use; shared with other cameras that decide by the same bundle."""
        return self.shared.inspector

    def inspect(
        self,
        image: NDArray[np.uint8],
        *,
        fast: bool = False,
        camera: int = 0,
        until: float = float("inf"),
    ) -> InspectionResult:
        """Inspect a frame, see `SharedInspector.inspect`."""
        return self.shared.inspect(image, camera, fast=fast, until=until)

    def reload_threshold(self, is_ending: Callable[[], bool]) -> None:
        """Use a threshold that was set meanwhile, see `SharedInspector.reload_threshold`."""
        self.shared.reload_threshold(is_ending)


class Recipes:
    """A camera's recipes. Each switch loads, verifies and tests the bundle anew.

    Args:
        paths: the bundles' folders by the recipes' names, in the order in which a PLC counts them; the first
            is in use at the start.
        inspectors: loads bundles, and shares them with the other cameras.
        unchecked: whether to inspect also frames that can't show a part.

    Raises:
        BundleError: the first can't be used.
    """

    def __init__(
        self, paths: Mapping[str, Path], inspectors: SharedInspectors, *, unchecked: bool = False
    ) -> None:
        self.names = tuple(paths)
        self._paths = dict(paths)
        self._inspectors = inspectors
        self._unchecked = unchecked
        self._turn = threading.Lock()
        self.current = self._make_recipe(self.names[0], inspectors.open(paths[self.names[0]]))

    def switch(self, name: str, confirm: Callable[[], object] | None = None) -> Recipe:
        """Switch to another recipe, once it is loaded, has passed its self-test, and is confirmed.

        Args:
            name: name of the recipe.
            confirm: called then; if that raises, the recipe in use stays.

        Raises:
            UsageError: there is no recipe of that name.
            BundleError: it can't be used; the recipe in use stays.
        """
        if name not in self._paths:
            near = find_nearest(name, self.names)
            meant = f"; did you mean {near}?" if near else ""
            raise UsageError(f"no recipe {name!r}{meant}; there are: {', '.join(self.names)}")
        with self._turn:  # one switch at a time
            try:
                opened = self._make_recipe(name, self._inspectors.load(self._paths[name]))
            except (MemoryError, OSError, RuntimeError, ValueError) as error:  # from a library
                why = str(error) or type(error).__name__
                raise BundleError(f"{self._paths[name]}: can't be opened ({why})") from error
            if confirm:
                confirm()
            self.current = opened
            return opened

    def replace(self, path: Path, confirm: Callable[[], object] | None = None) -> Recipe:
        """Put another bundle in the place of the one in use; arguments and errors as `switch`.

        A recipe that has its name from its bundle's folder has another name from then on.
        """
        name, before = self.current.name, self._paths[self.current.name]
        new = path.resolve().name if len(self.names) == 1 and name == before.resolve().name else name
        with self._turn:
            try:
                opened = self._make_recipe(new, self._inspectors.load(path), path)
            except (MemoryError, OSError, RuntimeError, ValueError) as error:
                why = str(error) or type(error).__name__
                raise BundleError(f"{path}: can't be opened ({why})") from error
            if confirm:
                confirm()
            self._paths = {new if one == name else one: of for one, of in self._paths.items()} | {new: path}
            self.names = tuple(self._paths)
            self.current = opened
            return opened

    def _make_recipe(self, name: str, shared: SharedInspector, path: Path | None = None) -> Recipe:
        training = read_training(path or self._paths[name])
        checks = None if self._unchecked else FrameChecks(training)
        measured = zip(QUANTITIES, map(measure_baseline, training.image_statistics.T), strict=True)
        baselines = {quantity: baseline for quantity, baseline in measured if baseline}
        return Recipe(name, shared, checks, training.image_statistics, baselines)
