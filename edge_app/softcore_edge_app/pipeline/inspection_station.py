"""Inspection station: the cameras of a process, the decision publisher and the delivery workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from softcore_runtime import UsageError
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.alarms.alarm_monitor import AlarmMonitor
from softcore_edge_app.decisions.origin import Origin
from softcore_edge_app.delivery.copy_worker import CopyWorker
from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.delivery.delivery_worker import DeliveryWorker, Worker
from softcore_edge_app.delivery.output import LedgerCopy, Output
from softcore_edge_app.ledger.note import Change, Note
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.controls import CameraStatus, Shadow, ShadowStatus, Status
from softcore_edge_app.pipeline.decision_publisher import DecisionPublisher, Listener
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter

__all__ = ["InspectionStation"]

_POLL = 0.05  # seconds between two checks whether all cameras have ended
# Seconds from the beginning of the end: until what has no decision is INVALID, until the decisions are
# delivered, and until all threads have ended. SIGTERM ends a line within a second.
_DECIDING, _DELIVERING, _ENDING = 0.25, 0.5, 0.7


class InspectionStation:
    """Runs the cameras of a process; its controls are described at `Controls`.

    Args:
        writer: enters the decisions; closed here.

    Attributes:
        pipelines: the cameras by name.
        shadow: the bundles on trial, set before the start and ended here; None without any.
        monitor: raises alarms, likewise; None where nobody would see them.
        ended: whether it was stopped.
    """

    def __init__(self, writer: LedgerWriter) -> None:
        self.writer = writer
        self.pipelines: dict[str, CameraPipeline] = {}
        self._listeners: list[Listener] = []
        self._note_listeners: list[Callable[[Note], None]] = []
        self._alarms: list[Callable[[], Iterable[str]]] = [lambda: writer.alarms]
        self._workers: list[Worker] = []
        ledger = writer.ledger
        self._decision_log = DecisionLog(ledger.path, ledger.rows) if ledger else None
        self._offsets = DeliveryOffsets(ledger.path, ledger.id) if ledger else None
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._publisher: DecisionPublisher | None = None
        self.shadow: Shadow | None = None
        self.monitor: AlarmMonitor | None = None
        self.ended = False

    def add_pipeline(self, pipeline: CameraPipeline) -> None:
        """Add a camera, before the start."""
        self.pipelines[pipeline.name] = pipeline

    def add_output(self, output: Output) -> None:
        """Add an output, before the start.

        Raises:
            UsageError: there is no ledger, from which an output gets the decisions that it missed.
        """
        self._workers.append(DeliveryWorker(output, *self._find_decisions(output.name)))

    def add_copy(self, copy: LedgerCopy) -> None:
        """Add a copy of the ledger, before the start.

        Raises:
            UsageError: there is no ledger.
        """
        self._workers.append(CopyWorker(copy, *self._find_decisions(copy.name)))

    def _find_decisions(self, name: str) -> tuple[DecisionLog, DeliveryOffsets]:
        if not self._decision_log or not self._offsets:
            raise UsageError(f"{name}: needs a ledger (--ledger FILE), which keeps what it misses")
        return self._decision_log, self._offsets

    def find_last_part(self, camera: str | None, by: Origin) -> str | None:
        """Return the name of the last part that `by` triggered, see `Ledger.find_last_part`."""
        return self.writer.ledger.find_last_part(camera, by) if self.writer.ledger else None

    def add_listener(self, listener: Listener) -> None:
        """Add a function that is called with every decision, before the start."""
        self._listeners.append(listener)

    def add_note_listener(self, listener: Callable[[Note], None]) -> None:
        """Add a function that is called with every note, before the start; it must return at once."""
        self._note_listeners.append(listener)

    def add_alarms(self, alarms: Callable[[], Iterable[str]]) -> None:
        """Add a function that returns what a person should check, in plain words."""
        self._alarms.append(alarms)

    def wake_publisher(self) -> None:
        """Wake the publisher: there may be something to collect. Returns at once, whatever lock is held."""
        if self._publisher:
            self._publisher.call()

    def start(self) -> None:
        """Begin."""
        self._publisher = DecisionPublisher(
            [*self.pipelines.values()], self.writer, self._decision_log, self._listeners, self.fail
        )
        if self.monitor:
            self.monitor.start()
        self._publisher.start()
        for worker in self._workers:
            worker.start()
        for pipeline in self.pipelines.values():
            pipeline.start()

    def wait(self) -> None:
        """Wait until all cameras have ended, or something failed without which the line can't go on.

        Raises:
            SoftCoreError: a camera can't be opened at all, or the error given to `fail`.
        """
        pipelines = self.pipelines.values()
        while not self._done.wait(_POLL):
            if any(pipeline.error for pipeline in pipelines) or all(pipeline.ended for pipeline in pipelines):
                break
        for error in (self._error, *(pipeline.error for pipeline in self.pipelines.values())):
            if error:
                raise error

    def wait_for_fault(self) -> None:
        """Wait until something failed without which the line can't go on, with nothing left to decide.

        Raises:
            SoftCoreError: the error given to `fail`.
        """
        self._done.wait()
        if self._error:
            raise self._error

    def fail(self, error: BaseException) -> None:
        """End the wait with an error."""
        self._error = self._error or error
        self._done.set()

    def stop(self) -> None:
        """End; every trigger is decided, entered and, as far as there is time, delivered."""
        began = time.monotonic()
        self.ended = True
        for pipeline in self.pipelines.values():
            pipeline.stop(began + _DECIDING)
        if self._publisher:
            while (
                any(pipeline.queue.waiting for pipeline in self.pipelines.values())
                and time.monotonic() < began + _DELIVERING
            ):
                self._publisher.call()
                time.sleep(0.002)
            self._publisher.stop(began + _ENDING - time.monotonic())
        for worker in self._workers:
            worker.stop(began + _DELIVERING)
        for worker in self._workers:
            worker.join(max(began + _ENDING - time.monotonic(), 0.05))
        for pipeline in self.pipelines.values():
            pipeline.join(max(began + _ENDING - time.monotonic(), 0.05))
        if self.monitor:
            self.monitor.stop()
        if self._offsets:
            self._offsets.close()
        if self.shadow:
            self.shadow.stop()
        self.writer.close()

    def trigger(self, camera: str | None = None, part: str | None = None, by: Origin | None = None) -> str:
        """Trigger the decision on a part: see `Controls.trigger`."""
        return self.find(camera).trigger(part, by)

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        """Switch to another recipe: see `Controls.switch_recipe`."""
        pipeline = self.find(camera)

        def confirm() -> None:
            self.note(Change("recipe", pipeline.name, None, pipeline.recipes.current.name, recipe, by))

        pipeline.switch(recipe, confirm)
        if self.shadow:
            self.shadow.follow(pipeline.name)

    def note(self, change: Change) -> Note:
        """Note a change in the ledger, before it is made, and call the listeners; from any thread.

        Raises:
            UsageError: there is no ledger.
            LedgerError: it can't be written.
        """
        note = self.writer.note(change)
        for listener in self._note_listeners:
            listener(note)
        return note

    def describe(self) -> Status:
        """Return the status: see `Controls.describe`."""
        stuck = [pipeline.stuck for pipeline in self.pipelines.values()]
        if self._publisher:
            stuck.append(self._publisher.stuck)
        return Status(
            cameras=tuple(
                _describe(pipeline, self.shadow.describe(pipeline.name) if self.shadow else None)
                for pipeline in self.pipelines.values()
            ),
            outputs=tuple(worker.status for worker in self._workers),
            ledger_fault=self.writer.fault,
            stuck=next((what for what in stuck if what), None),
            alarms=tuple(alarm for alarms in self._alarms for alarm in alarms()),
            open_alarms=self.monitor.list_open() if self.monitor else (),
        )

    def find(self, camera: str | None) -> CameraPipeline:
        """Return a camera's pipeline; None is the only one.

        Raises:
            UsageError: no such camera, or no camera named where there are several.
        """
        if camera is None and len(self.pipelines) == 1:
            return next(iter(self.pipelines.values()))
        if camera is None or camera not in self.pipelines:
            near = find_nearest(camera, self.pipelines) if camera else None
            named = "name a camera" if camera is None else f"no camera {camera!r}"
            meant = f"; did you mean {near}?" if near else ""
            raise UsageError(f"{named}{meant}; there are: {', '.join(self.pipelines)}")
        return self.pipelines[camera]


def _describe(pipeline: CameraPipeline, shadow: ShadowStatus | None) -> CameraStatus:
    recipe = pipeline.recipes.current
    manifest = recipe.inspector.manifest
    return CameraStatus(
        name=pipeline.name,
        fault=pipeline.source.fault,
        reopened=pipeline.source.reopened,
        recipe=recipe.name,
        recipes=pipeline.recipes.names,
        category=manifest.category,
        bundle=recipe.inspector.seal,
        threshold=manifest.threshold.value,
        fail_above=manifest.threshold.upper,
        waiting=pipeline.queue.waiting,
        capacity=pipeline.options.queue,
        triggers=pipeline.queue.count,
        decisions=pipeline.decisions,
        running=pipeline.queue.running,
        live=pipeline.source.live,
        trigger=pipeline.options.trigger,
        latency=pipeline.options.latency,
        shadow=shadow,
    )
