"""Fixtures of the health tests: a line that says what it is told to say, and decisions as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.pipeline.controls import CameraStatus, Status
from softcore_runtime import Bound, Decision, InspectionResult
from softcore_runtime.images.preprocessing import Window

MakePublished = Callable[..., PublishedDecision]


class FakeLine:
    """Controls of a line that isn't there; health only looks, and asks for nothing."""

    def __init__(self, status: Status) -> None:
        self.status = status

    def trigger(self, camera: str | None = None, part: str | None = None) -> str:
        raise AssertionError(f"{camera}, {part}: a trigger was asked for")

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        raise AssertionError(f"{recipe}, {camera}, {by}: a recipe was asked for")

    def describe(self) -> Status:
        return self.status

    def change(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)


@pytest.fixture
def line() -> FakeLine:
    camera = CameraStatus(
        name="front", fault=None, reopened=3, recipe="pill", recipes=("pill", "tile"), category="pill",
        bundle="0" * 64, threshold=2.0, fail_above=2.5, waiting=4, capacity=16, triggers=10, decisions=6,
    )  # fmt: skip
    output = OutputStatus(name="mqtt", fault=None, delivered=5, backlog=1, failures=2)
    return FakeLine(Status((camera,), (output,), ledger_fault=None, stuck=None, alarms=()))


@pytest.fixture(scope="session")
def make_decided() -> MakePublished:
    """A function that makes a decision as a listener gets it."""
    grid = np.zeros((2, 2), np.float32)

    def make(
        score: float | None = 1.0,
        *,
        threshold: float = 2.0,
        camera: str = "front",
        category: str = "pill",
        bundle: str = "b1",
        reason: str | None = None,
        exact: bool = True,
        image: np.ndarray | None = None,
    ) -> PublishedDecision:
        decision = Decision.INVALID
        if score is not None:
            decision = Decision.PASS if score <= threshold else Decision.FAIL
        bound = None if score is None else "exact" if exact else "upper"
        entry = DecisionRecord(
            trigger="t", part="t", name="n", camera=camera, category=category, bundle=bundle,
            decision=decision, score=score, bound=bound, threshold=threshold, fail_above=threshold,
            engine="onnxruntime", provider="cpu", precision="fp32", triggered_at=0, deadline_at=None,
            decided_at=0, milliseconds=None if score is None else 1.0, reason=reason,
            stages={"inspection": 0.004, "total": 0.02},
        )  # fmt: skip
        result = None
        if score is not None and exact:
            result = InspectionResult(
                decision,
                score,
                Bound.EXACT,
                threshold,
                threshold,
                Window(x=0, y=0, width=2, height=2),
                0,
                0,
                0,
                1.0,
                provider="cpu",
                seal="0" * 64,
                patch_scores=grid,
                anomaly_map=grid,
            )
        frame = None if image is None else Frame(1, "n", image=image)
        return PublishedDecision(entry, frame, result)

    return make
