"""Fixtures of the line's tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from itertools import count
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
from softcore_runtime import Inspector


class Endless(Recording):
    """A source that gives an image whenever one is asked for."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    def read_frames(self) -> Generator[Frame, None, None]:
        for number in count(1):
            yield Frame(number, f"frame {number}", image=self.image)


class Gate:
    """Holds up what passes through it, until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()

    def pass_through(self) -> None:
        self.reached.set()
        assert self.open.wait(60)


Build = Callable[..., InspectionStation]


@pytest.fixture
def decided() -> list[PublishedDecision]:
    """All that was published, in order."""
    return []


@pytest.fixture
def build(
    tiny_bundle: Path, good_frame: np.ndarray, decided: list[PublishedDecision], tmp_path: Path
) -> Iterator[Build]:
    """Build a station of one camera, or of several by name, that ends with the test."""
    stations: list[InspectionStation] = []

    def build(
        *names: str, source: Any = None, ledger: str | None = "line.ledger", **options: Any
    ) -> InspectionStation:
        more = {key: options.pop(key) for key in ("fast", "frames", "unchecked") if key in options}
        bundles = options.pop("bundles", {"tiny": tiny_bundle})
        writer = LedgerWriter(Ledger.open(tmp_path / ledger) if ledger else None)
        station = InspectionStation(writer)
        inspectors = SharedInspectors(Inspector.load, len(names))
        given = CameraOptions(source="somewhere", **{"trigger": "external", **options})
        for number, name in enumerate(names or ("left",)):
            recipes = Recipes(bundles, inspectors, unchecked=more.get("unchecked", False))
            station.add_pipeline(
                CameraPipeline(
                    name, number, source or Endless(good_frame), recipes, given, f"run-{name}",
                    station.wake_publisher, fast=more.get("fast", False), frames=more.get("frames"),
                )
            )  # fmt: skip
        station.add_listener(decided.append)
        stations.append(station)
        return station

    yield build
    for station in stations:
        if not station.ended:
            station.stop()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate in front of every inspection."""
    gate, inspect = Gate(), Inspector.inspect

    def wait_and_inspect(self: Inspector, *given: Any) -> Any:
        gate.pass_through()
        return inspect(self, *given)

    monkeypatch.setattr(Inspector, "inspect", wait_and_inspect)
    return gate
