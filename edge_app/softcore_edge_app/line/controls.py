"""Controls: what may be asked of a running line by a PLC, a broker, the page or a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["CameraStatus", "Controls", "OutputStatus", "Status"]


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is.

    Attributes:
        name: the camera's.
        fault: why it gives no pictures just now, in plain words; None where it does.
        reopened: how often it was opened again.
        recipe: the name of the recipe in use.
        recipes: the names of all there are.
        category, bundle: of the bundle in use; its manifest's seal.
        threshold, fail_above: the limit in use.
        waiting: triggers without a decision.
        capacity: how many may wait.
        triggers: how many came since the start.
        decisions: how many of them have their decision, in the ledger if there is one.
    """

    name: str
    fault: str | None
    reopened: int
    recipe: str
    recipes: tuple[str, ...]
    category: str
    bundle: str
    threshold: float
    fail_above: float
    waiting: int
    capacity: int
    triggers: int
    decisions: int


@dataclass(frozen=True)
class OutputStatus:
    """How an output is: why it takes nothing just now (or None), what it took, what waits, what failed."""

    name: str
    fault: str | None
    delivered: int
    backlog: int
    failures: int


@dataclass(frozen=True)
class Status:
    """How a line is.

    Attributes:
        cameras: each camera's.
        outputs: each output's.
        ledger_fault: why the ledger can't be written, in plain words; None where it can, or there is none.
        stuck: what hangs, in plain words (an inspection, the disk), or None: systemd restarts what hangs.
        alarms: what else a person should see to (drift, a full archive), in plain words.
    """

    cameras: tuple[CameraStatus, ...]
    outputs: tuple[OutputStatus, ...]
    ledger_fault: str | None
    stuck: str | None
    alarms: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether a part that comes now would be inspected, and the decision entered."""
        faulty = any(camera.fault for camera in self.cameras)
        return not faulty and self.ledger_fault is None and self.stuck is None


class Controls(Protocol):
    """A running line, as its connections see it. All methods may be called from any thread."""

    def trigger(self, camera: str | None = None, part: str | None = None) -> str:
        """Ask for the decision on a part, and return the trigger's id; never blocks.

        What comes in too fast is INVALID, not refused.

        Args:
            camera: which one's; None where there is only one.
            part: what the caller calls the part; at most 200 characters.

        Raises:
            UsageError: no such camera, no camera named where there are several, one that goes by itself,
                or the line is just ending.
        """
        ...

    def switch_recipe(self, recipe: str, camera: str | None = None) -> None:
        """Let another recipe decide, from the next trigger on; takes seconds, and the line goes on meanwhile.

        Args:
            recipe: its name.
            camera: as for `trigger`.

        Raises:
            UsageError: no such camera or recipe.
            BundleError: its bundle can't be used; the recipe in use stays.
        """
        ...

    def describe(self) -> Status:
        """Say how the line is; quick, and never blocks."""
        ...
