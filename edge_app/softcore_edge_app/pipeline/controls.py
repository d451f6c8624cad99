"""Controls: what a PLC, a broker, the page or a command can do with a running line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.threshold import Threshold

from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.origin import Origin
from softcore_edge_app.decisions.shadow_opinion import ShadowBundle, ShadowOpinion
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.ledger.note import Note

__all__ = [
    "CameraStatus",
    "Controls",
    "Difference",
    "OperatorControls",
    "Shadow",
    "ShadowStatus",
    "Status",
    "View",
]


@dataclass(frozen=True)
class ShadowStatus:
    """The status of a bundle on trial.

    Attributes:
        path: its folder.
        fault: why it isn't asked, in plain words; None if it is.
        bundle, category, threshold, provisional: seal of its manifest, its category, its threshold, and
            whether nobody has calibrated it; None where it can't be opened.
        seen: number of parts on which it has an opinion, since the start of the line.
        differing: number of them on which the line decided otherwise.
        skipped: number of parts that it wasn't asked about, for the line's sake.
    """

    path: str
    fault: str | None
    bundle: str | None
    category: str | None
    threshold: float | None
    provisional: bool | None
    seen: int
    differing: int
    skipped: int


@dataclass(frozen=True)
class Difference:
    """A part on which a bundle on trial says otherwise than the line decided.

    Attributes:
        record: the line's decision.
        shadow: the bundle, as it was.
        opinion: what it says.
    """

    record: DecisionRecord
    shadow: ShadowBundle
    opinion: ShadowOpinion


class Shadow(Protocol):
    """The bundles on trial of a line. All methods may be called from any thread."""

    def describe(self, camera: str) -> ShadowStatus | None:
        """Return the status of a camera's bundle on trial; None where there is none."""
        ...

    def list_differences(self, camera: str) -> list[Difference]:
        """Return the last parts of a camera on which the two differ, the newest first."""
        ...

    def follow(self, camera: str) -> None:
        """Take the bundle on trial of the recipe that is in use now; returns at once."""
        ...

    def propose(self, camera: str, *, force: bool) -> Path:
        """Return the bundle on trial that may take the place of the one in use.

        Args:
            camera: name of the camera.
            force: whether also one that has seen no part yet, or wasn't calibrated.

        Raises:
            UsageError: there is none, or it has seen none, or wasn't calibrated.
        """
        ...

    def exchange(self, camera: str, before: Path) -> None:
        """Take the bundle whose place the one on trial has taken as the one on trial."""
        ...

    def stop(self) -> None:
        """End; what it has said by then is noted."""
        ...


@dataclass(frozen=True)
class CameraStatus:
    """The status of a camera.

    Attributes:
        name: name of the camera.
        fault: why it gives no images now, in plain words; None if it does.
        reopened: number of times that it was reopened.
        recipe: name of the recipe in use.
        recipes: names of all recipes.
        category, bundle: category of the bundle in use, and the seal of its manifest.
        threshold, fail_above: the threshold in use.
        waiting: number of triggers without a decision.
        capacity: number of triggers that may wait.
        triggers: number of triggers since the start.
        decisions: number of them that have their decision, in the ledger if there is one.
        running: False while a person has stopped it.
        live: whether its images are live, and not recorded.
        trigger: trigger mode: `auto`, `interval` or `external`.
        latency: seconds from the moment that a live frame shows until it is here.
        shadow: the bundle on trial; None where there is none.
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
    shadow: ShadowStatus | None = None


@dataclass(frozen=True)
class Status:
    """The status of a line.

    Attributes:
        cameras: the status of each camera.
        outputs: the status of each output.
        ledger_fault: why the ledger can't be written, in plain words; None if it can, or there is none.
        stuck: what hangs, in plain words (an inspection, the disk), or None: systemd restarts what hangs.
        alarms: what else a person should check (drift, a full archive), in plain words.
        open_alarms: the alarms that the line's rules have raised and that aren't cleared, the most urgent
            first.
    """

    cameras: tuple[CameraStatus, ...]
    outputs: tuple[OutputStatus, ...]
    ledger_fault: str | None
    stuck: str | None
    alarms: tuple[str, ...]
    open_alarms: tuple[AlarmStatus, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether a part that comes now would be inspected, entered, and delivered where it is awaited."""
        faulty = any(camera.fault or not camera.running for camera in self.cameras)
        faulty |= any(output.fault for output in self.outputs if output.essential)
        return not faulty and self.ledger_fault is None and self.stuck is None


class Controls(Protocol):
    """What connections can do with a running line. All methods may be called from any thread."""

    def trigger(self, camera: str | None = None, part: str | None = None, by: Origin | None = None) -> str:
        """Trigger the decision on a part, and return the trigger's id; never blocks.

        Triggers that come too fast are INVALID, not refused.

        Args:
            camera: name of the camera; None if there is only one.
            part: name of the part; at most 200 characters, none of them a control character.
            by: who triggers, which the trigger's id says.

        Raises:
            UsageError: no such camera, no camera named where there are several, one that triggers itself,
                or the line is ending.
        """
        ...

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        """Switch to another recipe from the next trigger on; takes seconds, while the line goes on.

        Args:
            recipe: name of the recipe.
            camera: as for `trigger`.
            by: who switches, for the ledger: see `Change`.

        Raises:
            UsageError: no such camera or recipe, or there is no ledger to note it in.
            BundleError: its bundle can't be used; the recipe in use stays.
            LedgerError: it can't be noted, and so isn't done.
        """
        ...

    def describe(self) -> Status:
        """Return the status of the line; quick, and never blocks."""
        ...


@dataclass(frozen=True, eq=False)
class View:
    """The newest image of a camera.

    Attributes:
        image: uint8 BGR `[H, W, 3]`; None if there is none.
        image_statistics: of the training images of the bundle in use, float64 `[N, 3]`, see
            `measure_image_statistics`.
    """

    image: NDArray[np.uint8] | None
    image_statistics: NDArray[np.float64]


class OperatorControls(Controls, Protocol):
    """What a person can do with a running line to set it up.

    Each change is noted in the ledger first. All methods raise UsageError if there is no such camera, or no
    ledger, and LedgerError if it can't be noted; then nothing is done.
    """

    def trigger_by_hand(self, camera: str | None, part: str | None, by: str) -> str:
        """Trigger the decision on a part on the page, see `trigger`; note who did, if there is a ledger."""
        ...

    def note_mark(self, trigger: str, camera: str, before: str | None, after: str | None, by: str) -> Note:
        """Note that a person calls a part `good` or `bad`, or undoes that."""
        ...

    def change_threshold(
        self, value: float, fail_above: float | None, camera: str | None, by: str
    ) -> tuple[Threshold, Threshold]:
        """Set the threshold of the bundle in use, for this line and every other one that has it open.

        Returns:
            the old threshold and the new one.

        Raises:
            UsageError: the bundle can't be written, or another process is setting its threshold.
            BundleError: the bundle is gone, or another one is in its place.
        """
        ...

    def acknowledge_alarm(self, rule: str, camera: str | None, by: str) -> AlarmStatus:
        """Acknowledge the alarm of a rule, and return its status; without a ledger, too.

        Raises:
            UsageError: there is no such rule, or its alarm isn't raised.
        """
        ...

    def set_running(self, running: bool, camera: str | None, by: str) -> None:
        """Stop a camera for a while, or let it go on.

        While it is stopped, a camera that triggers itself takes no images, and external triggers are INVALID.
        """
        ...

    def view(self, camera: str | None) -> View:
        """Return the newest image of a camera, decided on or not."""
        ...

    def list_differences(self, camera: str | None) -> list[Difference]:
        """Return the last parts of a camera on which its shadow differs, the newest first.

        Without a ledger, too.
        """
        ...

    def promote_shadow(
        self,
        camera: str | None,
        by: str,
        *,
        recipe: str | None = None,
        bundle: str | None = None,
        force: bool = False,
    ) -> tuple[Path, Path]:
        """Let the shadow and the bundle in use change places from the next trigger on; takes seconds.

        Args:
            camera: name of the camera; None if there is only one.
            by: who asks, for the ledger: see `Change`.
            recipe: the recipe that must be in use; None for any.
            bundle: the seal that the shadow must have; None for any.
            force: also a shadow that has seen no part yet, or wasn't calibrated.

        Returns:
            the bundle before, and the one in use now.

        Raises:
            UsageError: there is no shadow, it is another one, or it may not take the place.
            BundleError: it can't be used; the bundle in use stays.
        """
        ...
