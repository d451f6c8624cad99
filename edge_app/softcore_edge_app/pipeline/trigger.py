"""Trigger: one part that wants a decision, and the one decision that it gets."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from softcore_runtime import InspectionResult, UsageError
from softcore_runtime.bundle.manifest import Manifest

from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.ledger.row import Entry
from softcore_edge_app.pipeline.recipes import Recipe
from softcore_edge_app.verdict import Verdict

__all__ = ["Decided", "Trigger", "check_part"]

_LONGEST_PART = 200  # characters
_UNFIT = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of characters, ends of lines and paragraphs


def check_part(part: str) -> None:
    """Check what somebody calls a part: it goes into logs, tables and file names.

    Raises:
        UsageError: it is empty, has more than 200 characters, or one that would break a line.
    """
    if not 0 < len(part) <= _LONGEST_PART:
        raise UsageError(f"a part's name has 1 to {_LONGEST_PART} characters, not {len(part)}")
    if any(unicodedata.category(character) in _UNFIT for character in part):
        raise UsageError("a part's name must not have control characters, such as the end of a line")


@dataclass(eq=False)
class Trigger:
    """A part that wants a decision.

    Attributes:
        id: unique over all runs; says who triggered, see `ledger/origin.py`.
        camera: the name of the line's camera.
        number: counts the camera's triggers from 1.
        part: what the PLC, the broker or the page calls the part; `id` where they don't say.
        recipe: what decides, from the moment of the trigger on.
        at: when it came, in seconds of the monotonic clock.
        wall: the same, in nanoseconds of UTC since 1970.
        deadline: when it is INVALID if nothing was decided, in seconds of the monotonic clock; None where
            there is no hurry (recordings).
        frame: what was taken for it, once it was taken.
        fault: why the frame can't be decided on, once it was looked at; None where it can.
        verdict: its decision, once there is one.
        manifest: of the bundle that decided, with the threshold that held.
        inspection: the map, if one was drawn.
        stages: as in `Decided`.
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
    verdict: Verdict | None = None
    manifest: Manifest | None = None
    inspection: InspectionResult | None = None
    stages: dict[str, float] = field(default_factory=dict)
    _once: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def settle(
        self, verdict: Verdict, manifest: Manifest, inspection: InspectionResult | None = None
    ) -> bool:
        """Give it its decision, unless it has one: the first counts. Arguments as the attributes.

        Returns:
            whether this was the first.
        """
        with self._once:
            if self.verdict is not None:
                return False
            self.inspection, self.manifest = inspection, manifest
            self.verdict = verdict
            return True

    def revoke(self, verdict: Verdict) -> None:
        """Replace a decision that was not published; for the decision publisher alone."""
        self.verdict, self.inspection = verdict, None

    def tell_time(self) -> int:
        """Say what time it is, in nanoseconds of UTC since 1970, by the clock of its moment.

        Whatever a clock is set to meanwhile, what was in time is in time in the ledger.
        """
        return self.wall + int(1e9 * (time.monotonic() - self.at))

    @property
    def settled(self) -> bool:
        """Whether it has its decision."""
        return self.verdict is not None

    @property
    def state(self) -> str:
        """How far it has come, in plain words."""
        if "queue" in self.stages:
            return "being inspected"
        return "waiting for its turn" if self.frame else "without a frame"


@dataclass(frozen=True, eq=False)
class Decided:
    """A decision that may be published: it is in the ledger, or says INVALID because it can't be.

    Attributes:
        entry: as the ledger has it.
        verdict: the same for a person's or a program's line.
        frame: what was looked at; None where no frame was taken.
        inspection: the map, unless only a decision was wanted, or it is INVALID.
        stages: seconds that it took: `frame` until it was taken and looked at, `queue` until its inspection
            began, `inspection`, `ledger` until it was in there, and `total`; those that it went through.
        number: its row's in the ledger; None where it isn't in there.
    """

    entry: Entry
    verdict: Verdict
    frame: Frame | None
    inspection: InspectionResult | None
    stages: Mapping[str, float]
    number: int | None = None
