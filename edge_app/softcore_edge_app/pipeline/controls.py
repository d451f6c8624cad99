"""Controls: what may be asked of a running line by a PLC, a broker, the page or a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.threshold import Threshold

from softcore_edge_app.decisions.origin import Origin
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.ledger.note import Note

__all__ = ["CameraStatus", "Controls", "OperatorControls", "Status", "View"]


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is.

    Attributes:
        name: the camera's.
        fault: why it gives no images just now, in plain words; None where it does.
        reopened: how often it was opened again.
        recipe: the name of the recipe in use.
        recipes: the names of all there are.
        category, bundle: of the bundle in use; its manifest's seal.
        threshold, fail_above: the threshold in use.
        waiting: triggers without a decision.
        capacity: how many may wait.
        triggers: how many came since the start.
        decisions: how many of them have their decision, in the ledger if there is one.
        running: False while a person has stopped it.
        live: whether its images are of now, and not recorded.
        trigger: what triggers it: `auto`, `interval` or `external`.
        latency: seconds from the moment that a live frame shows until it is here.
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
    running: bool = True
    live: bool = False
    trigger: str = "auto"
    latency: float = 0.0


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
        """Whether a part that comes now would be inspected, entered, and taken by every output."""
        faulty = any(camera.fault or not camera.running for camera in self.cameras)
        faulty |= any(output.fault for output in self.outputs)
        return not faulty and self.ledger_fault is None and self.stuck is None


class Controls(Protocol):
    """A running line, as its connections see it. All methods may be called from any thread."""

    def trigger(self, camera: str | None = None, part: str | None = None, by: Origin | None = None) -> str:
        """Ask for the decision on a part, and return the trigger's id; never blocks.

        What comes in too fast is INVALID, not refused.

        Args:
            camera: which one's; None where there is only one.
            part: what the caller calls the part; at most 200 characters, none of them a control character.
            by: who asks, which the trigger's id says.

        Raises:
            UsageError: no such camera, no camera named where there are several, one that goes by itself,
                or the line is just ending.
        """
        ...

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        """Let another recipe decide, from the next trigger on; takes seconds, and the line goes on meanwhile.

        Args:
            recipe: its name.
            camera: as for `trigger`.
            by: who asks, for the ledger: see `Change`.

        Raises:
            UsageError: no such camera or recipe, or there is no ledger to note it in.
            BundleError: its bundle can't be used; the recipe in use stays.
            LedgerError: it can't be noted, and so it isn't done.
        """
        ...

    def describe(self) -> Status:
        """Return how the line is; quick, and never blocks."""
        ...


@dataclass(frozen=True, eq=False)
class View:
    """What a camera sees.

    Attributes:
        image: uint8 BGR `[H, W, 3]`, its newest one; None where there is none.
        image_statistics: of the training images of the bundle in use, float64 `[N, 3]`, see
            `measure_image_statistics`.
    """

    image: NDArray[np.uint8] | None
    image_statistics: NDArray[np.float64]


class OperatorControls(Controls, Protocol):
    """A running line, as a person sees it who sets it up.

    Whatever is changed is noted in the ledger first. All of it raises UsageError where there is no such
    camera, or no ledger, and LedgerError where it can't be noted; then nothing is done.
    """

    def trigger_by_hand(self, camera: str | None, part: str | None, by: Origin) -> str:
        """Ask for the decision on a part, see `trigger`, and note who did, if there is a ledger."""
        ...

    def note_mark(self, trigger: str, camera: str, before: str | None, after: str | None, by: str) -> Note:
        """Note that a person calls a part `good` or `bad`, or takes that back."""
        ...

    def change_threshold(
        self, value: float, fail_above: float | None, camera: str | None, by: str
    ) -> tuple[Threshold, Threshold]:
        """Set the threshold of the bundle in use, for this line and every other one that has it open.

        Returns:
            the old threshold and the new one.

        Raises:
            UsageError: the bundle can't be written, or somebody else is just setting its threshold.
            BundleError: the bundle isn't there any more, or another one is in its place.
        """
        ...

    def set_running(self, running: bool, camera: str | None, by: str) -> None:
        """Stop a camera for a while, or let it go on.

        While it is stopped one that goes by itself takes no images, and what others trigger is INVALID.
        """
        ...

    def view(self, camera: str | None) -> View:
        """Return what a camera sees, decided on or not."""
        ...
