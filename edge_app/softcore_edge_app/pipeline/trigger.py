"""Trigger: one part that needs a decision, and the one decision that it gets."""

from __future__ import annotations

import threading
import time
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from softcore_runtime import InspectionResult, UsageError

from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.decision_record import DecisionRecord, escape_surrogates
from softcore_edge_app.decisions.invalid_kinds import LineKind
from softcore_edge_app.pipeline.recipes import Recipe

__all__ = ["Trigger", "check_part"]

_LONGEST_PART = 200  # characters
_UNFIT = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of characters, ends of lines and paragraphs


def check_part(part: str) -> None:
    """Check the name that somebody gives a part: it goes into logs, tables and file names.

    Raises:
        UsageError: it is empty, has more than 200 characters, or one that would break a line.
    """
    if not 0 < len(part) <= _LONGEST_PART:
        raise UsageError(f"a part's name has 1 to {_LONGEST_PART} characters, not {len(part)}")
    if any(unicodedata.category(character) in _UNFIT for character in part):
        raise UsageError("a part's name must not have control characters, such as the end of a line")


@dataclass(frozen=True)
class _Refusal:
    """Why a part is INVALID.

    Attributes:
        kind, detail: the reason, as for `DecisionRecord.invalid`.
        name, number: of the frame; where there was none, the name that it would have had, and the trigger's.
        held: seal of the manifest that held, its threshold, and the upper end of its grey zone.
    """

    kind: LineKind | None
    detail: str
    name: str
    number: int
    held: tuple[str, float, float]


@dataclass(eq=False)
class Trigger:
    """A part that needs a decision.

    Attributes:
        id: unique over all runs; says who triggered, see `decisions/origin.py`.
        camera: name of the camera.
        number: counts the camera's triggers from 1.
        part: name that the PLC, the broker or the page gave the part; `id` where they gave none.
        recipe: the recipe that decides, from the moment of the trigger on.
        at: when it came, in seconds of the monotonic clock.
        wall: the same, in nanoseconds of UTC since 1970.
        deadline: when it becomes INVALID without a decision, in seconds of the monotonic clock; None where
            there is no deadline (recordings).
        frame: the frame taken for it; None before that.
        fault: why the frame can't be inspected, once it was checked; None where it can.
        result: the runtime's result, once it was inspected in time.
        stages: as in `DecisionRecord`.
    """

    id: str
    camera: str
    number: int
    part: str
    recipe: Recipe
    at: float
    wall: int
    deadline: float | None = None
    frame: Frame | None = None
    fault: str | None = None
    result: InspectionResult | None = None
    stages: dict[str, float] = field(default_factory=dict)
    _refusal: _Refusal | None = field(default=None, repr=False)
    _once: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def settle(self, result: InspectionResult) -> bool:
        """Return it the decision of an inspection, unless it has one: the first counts.

        Returns:
            whether this was the first.
        """
        with self._once:
            if self.settled:
                return False
            self.result = result
            return True

    def refuse(self, kind: LineKind | None, detail: str) -> bool:
        """Make it INVALID, unless it has its decision.

        Args:
            kind: of the reason, as for `DecisionRecord.invalid`.
            detail: of the reason, likewise.

        Returns:
            whether this was the first decision.
        """
        with self._once:
            if self.settled:
                return False
            self._refusal = self._make_refusal(kind, detail)
            return True

    def revoke(self, kind: LineKind | None, detail: str) -> None:
        """Make it INVALID in place of a decision that was not published; for the publisher alone.

        Args:
            kind: as for `refuse`.
            detail: as for `refuse`.
        """
        self._refusal, self.result = self._make_refusal(kind, detail), None

    def make_record(self) -> DecisionRecord:
        """Return the record of its decision, decided now, without a row.

        Raises:
            ValueError: it has no decision, or a number or a text of it that no ledger stores.
        """
        result, refusal = self.result, self._refusal
        backbone = self.recipe.inspector.backbone
        due = None if self.deadline is None else int(1e9 * (self.deadline - self.at)) + self.wall
        known: dict[str, Any] = {
            "trigger": self.id,
            "part": escape_surrogates(self.part),
            "camera": self.camera,
            "category": escape_surrogates(self.recipe.inspector.manifest.category),
            "engine": backbone.engine,
            "provider": backbone.provider,
            "precision": backbone.precision,
            "triggered_at": self.wall,
            "deadline_at": due,
            "decided_at": self.read_clock(),
            "recipe": self.recipe.name,
            "stages": self.stages,
        }
        if refusal is not None:
            known |= {"name": escape_surrogates(refusal.name), "frame_number": refusal.number}
            known |= zip(("bundle", "threshold", "fail_above"), refusal.held, strict=True)
            return DecisionRecord.invalid(refusal.kind, refusal.detail, **known)
        if result is None or self.frame is None:
            raise ValueError(f"trigger {self.id} has no decision")
        name, number = escape_surrogates(self.frame.name), self.frame.number
        return DecisionRecord.from_result(result, name=name, bundle=result.seal, frame_number=number, **known)

    def read_clock(self) -> int:
        """Return the time now, in nanoseconds of UTC since 1970, by the clock of its moment.

        Whatever a clock is set to meanwhile, what was in time is in time in the ledger.
        """
        return self.wall + int(1e9 * (time.monotonic() - self.at))

    @property
    def settled(self) -> bool:
        """Whether it has its decision."""
        return self.result is not None or self._refusal is not None

    @property
    def has_map(self) -> bool:
        """Whether it was inspected with a map."""
        return self.result is not None and self.result.anomaly_map is not None

    @property
    def state(self) -> str:
        """How far it has come, in plain words."""
        if "queue" in self.stages:
            return "being inspected"
        return "waiting for its turn" if self.frame else "without a frame"

    def _make_refusal(self, kind: LineKind | None, detail: str) -> _Refusal:
        frame, inspector = self.frame, self.recipe.inspector
        number, name = (frame.number, frame.name) if frame else (self.number, f"{self.camera}#{self.number}")
        result = self.result
        if result is not None:  # with the threshold that decided, which its row names
            held = result.seal, result.threshold, result.fail_above
        elif self._refusal is not None:
            held = self._refusal.held
        else:
            manifest, seal = inspector.manifest, inspector.seal
            while inspector.manifest is not manifest:  # another threshold was just set
                manifest, seal = inspector.manifest, inspector.seal
            held = seal, manifest.threshold.value, manifest.threshold.upper
        return _Refusal(kind, detail, name, number, held)
