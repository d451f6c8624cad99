"""Fixtures of the shadow's tests: a line of recorded or external parts, and a bundle on trial beside it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame, Recording
from softcore_edge_app.configuration.options import CameraOptions
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_edge_app.shadow.shadow_line import ShadowLine
from softcore_runtime import Inspector
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold


class Frames(Recording):
    """A source that gives these images, over and over where parts are triggered from outside."""

    def __init__(self, images: Sequence[np.ndarray], *, endless: bool = False) -> None:
        self.images, self.endless = images, endless

    def read_frames(self) -> Generator[Frame, None, None]:
        number = 0
        while number < len(self.images) or self.endless:
            yield Frame(number + 1, f"frame {number}", image=self.images[number % len(self.images)])
            number += 1


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it didn't happen"
        time.sleep(0.002)


def change_threshold(path: Path, value: float) -> None:
    set_threshold(path, Threshold(value=value, provisional=False, method="by hand"), read_manifest(path))


@pytest.fixture
def new_bundle(tiny_bundle: Path) -> Path:
    """A bundle on trial that is calibrated, and fails `bad_frame` as `tiny_bundle` does."""
    path = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("tiny-new")))
    change_threshold(path, 13.0)
    return path


@pytest.fixture
def lenient_bundle(new_bundle: Path) -> Path:
    """A bundle on trial that passes what `tiny_bundle` fails, but not its own golden frame."""
    change_threshold(new_bundle, 150.0)
    return new_bundle


Build = Callable[..., InspectionStation]


@pytest.fixture
def decided() -> list[PublishedDecision]:
    return []


@pytest.fixture
def build(tiny_bundle: Path, decided: list[PublishedDecision], tmp_path: Path) -> Iterator[Build]:
    """Build a station of one camera, with a bundle on trial, that ends with the test."""
    stations: list[InspectionStation] = []

    def build(
        images: Sequence[np.ndarray],
        shadow: Path | dict[str, str] | None = None,
        *,
        ledger: str | None = "line.ledger",
        bundles: dict[str, Path] | None = None,
        load: Callable[[Path], Inspector] = Inspector.load,
        **options: Any,
    ) -> InspectionStation:
        writer = LedgerWriter(Ledger.open(tmp_path / ledger) if ledger else None)
        station = InspectionStation(writer)
        given = CameraOptions(source="somewhere", **options)
        source = Frames(images, endless=given.trigger == "external")
        recipes = Recipes(bundles or {"tiny": tiny_bundle}, SharedInspectors(Inspector.load, 1))
        station.add_pipeline(CameraPipeline("left", 0, source, recipes, given, "run", station.wake_publisher))
        station.add_listener(decided.append)
        if shadow is not None:
            named = shadow if isinstance(shadow, dict) else {recipes.names[0]: str(shadow)}
            station.shadow = line = ShadowLine(station, {"left": named}, load)
            station.add_listener(line.offer)
            station.add_alarms(line.list_alarms)
        stations.append(station)
        return station

    yield build
    for station in stations:
        if not station.ended:
            station.stop()
