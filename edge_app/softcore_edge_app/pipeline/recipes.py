"""Recipes: the bundles that a camera's parts can be decided by, one of them in use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import (
    BundleError,
    FrameError,
    InspectionResult,
    Inspector,
    SoftCoreError,
    UsageError,
)
from softcore_runtime.bundle.baseline import Baseline, measure_baseline
from softcore_runtime.bundle.training import QUANTITIES, read_training
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.cameras.frame_source import Frame

__all__ = ["Recipe", "Recipes", "find_fault"]

_POLL = 0.1  # seconds between two looks whether the line ends

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Recipe:
    """A bundle ready to decide: its self-test was passed.

    Attributes:
        name: what it is switched to with.
        inspector: what decides.
        checks: what no part can look like; None where everything is inspected.
        image_statistics: of the N training images, float64 `[N, 3]`, see `measure_image_statistics`.
        baselines: of those statistics, by quantity; none where there are too few training images.
    """

    name: str
    inspector: Inspector
    checks: FrameChecks | None
    image_statistics: NDArray[np.float64]
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    _deciding: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def inspect(self, image: NDArray[np.uint8], *, fast: bool = False, camera: int = 0) -> InspectionResult:
        """Inspect a frame.

        Args:
            image: uint8 BGR `[H, W, 3]`.
            fast: whether only the decision is needed, and no map.
            camera: number of the camera, from 0.

        Raises:
            FrameError: the frame can't be inspected.
        """
        with self._deciding:
            if fast:
                return self.inspector.decide(image, camera)
            return self.inspector.inspect(image, camera)

    def reload_threshold(self, leaves: Callable[[], bool]) -> None:
        """Use a threshold that was set meanwhile, between two decisions; one that can't be read is logged.

        Args:
            leaves: whether not to wait any longer for a decision that is being made: it may hang.
        """
        if not self.inspector.is_stale:
            return
        while not self._deciding.acquire(timeout=_POLL):
            if leaves():
                return
        try:
            if self.inspector.refresh():
                _log.info("the threshold is %.6g from here on", self.inspector.manifest.threshold.value)
        except SoftCoreError as error:  # a mask may be at fault, too
            _log.warning("%s", error)
        finally:
            self._deciding.release()


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
            near = find_nearest(name, self.names)
            meant = f"; did you mean {near}?" if near else ""
            raise UsageError(f"no recipe {name!r}{meant}; there are: {', '.join(self.names)}")
        with self._turn:  # two who ask at once get one after the other
            try:
                opened = self._open(name)
            except (MemoryError, OSError, RuntimeError, ValueError) as error:  # of some library
                why = str(error) or type(error).__name__
                raise BundleError(f"{self._paths[name]}: can't be opened ({why})") from error
            if confirm:
                confirm()
            self.current = opened
            return opened

    def _open(self, name: str) -> Recipe:
        path = self._paths[name]
        inspector, training = self._load(path), read_training(path)
        checks = None if self._unchecked else FrameChecks(training)
        measured = zip(QUANTITIES, map(measure_baseline, training.image_statistics.T), strict=True)
        baselines = {quantity: baseline for quantity, baseline in measured if baseline}
        return Recipe(name, inspector, checks, training.image_statistics, baselines)


def find_fault(frame: Frame, checks: FrameChecks | None) -> str | None:
    """Return why a frame can't be decided on: it couldn't be read, or fails the checks; None where it can."""
    if frame.image is None or checks is None:
        return frame.reason
    try:
        return checks.find_fault(frame.image)
    except FrameError as error:
        return str(error)
