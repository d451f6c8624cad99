"""Station: all cameras of a process, the clerk and the couriers: what runs, and what may be asked of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from softcore_runtime import UsageError
from softcore_runtime.cli.command_line import find_nearest

from softcore_edge_app.cameras.live_capture import LiveCapture
from softcore_edge_app.delivery.courier import Courier
from softcore_edge_app.delivery.feed import Feed
from softcore_edge_app.delivery.marks import Marks
from softcore_edge_app.delivery.output import Output
from softcore_edge_app.ledger.note import Change, Note
from softcore_edge_app.ledger.origin import Origin
from softcore_edge_app.pipeline.bookkeeper import Bookkeeper
from softcore_edge_app.pipeline.clerk import Clerk, Listener
from softcore_edge_app.pipeline.controls import CameraStatus, Status
from softcore_edge_app.pipeline.line import Line

__all__ = ["Station"]

_LOOK = 0.05  # seconds between two looks whether all cameras have come to their end
# Seconds from the call for the end: until what has no decision is INVALID, until the clerk, the couriers and
# the cameras have ended. SIGTERM ends a line within a second.
_DECIDING, _DELIVERING, _ENDING = 0.25, 0.5, 0.7


class Station:
    """Runs lines; see `Controls` for what may be asked of it.

    Args:
        book: enters the decisions; closed here.
    """

    def __init__(self, book: Bookkeeper) -> None:
        self.book = book
        self.lines: dict[str, Line] = {}
        self._listeners: list[Listener] = []
        self._note_listeners: list[Callable[[Note], None]] = []
        self._alarms: list[Callable[[], Iterable[str]]] = [lambda: book.alarms]
        self._couriers: list[Courier] = []
        ledger = book.ledger
        self._feed = Feed(ledger.path, ledger.rows) if ledger else None
        self._marks = Marks(ledger.path, ledger.id) if ledger else None
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._clerk: Clerk | None = None
        self.ended = False

    def add_line(self, line: Line) -> None:
        """Add a camera, before the start."""
        self.lines[line.name] = line

    def add_output(self, output: Output) -> None:
        """Add an output, before the start.

        Raises:
            UsageError: there is no ledger, from which an output gets what it missed.
        """
        if not self._feed or not self._marks:
            raise UsageError(f"{output.name}: needs a ledger (--ledger FILE), which keeps what it misses")
        self._couriers.append(Courier(output, self._feed, self._marks))

    def find_last_part(self, camera: str | None, by: Origin) -> str | None:
        """Give what the ledger calls the last part that somebody triggered, see `Ledger.find_last_part`."""
        return self.book.ledger.find_last_part(camera, by) if self.book.ledger else None

    def add_listener(self, listener: Listener) -> None:
        """Let something be told of every decision, before the start."""
        self._listeners.append(listener)

    def add_note_listener(self, listener: Callable[[Note], None]) -> None:
        """Let something be told of every note, before the start; it returns at once and raises nothing."""
        self._note_listeners.append(listener)

    def add_alarms(self, alarms: Callable[[], Iterable[str]]) -> None:
        """Let something say what a person should see to."""
        self._alarms.append(alarms)

    def call_clerk(self) -> None:
        """Say that there may be something to collect; returns at once, whatever lock the caller holds."""
        if self._clerk:
            self._clerk.call()

    def start(self) -> None:
        """Begin."""
        self._clerk = Clerk([*self.lines.values()], self.book, self._feed, self._listeners, self.fail)
        self._clerk.start()
        for courier in self._couriers:
            courier.start()
        for line in self.lines.values():
            line.start()

    def wait(self) -> None:
        """Wait until all cameras have come to their end, or one thing failed that nothing can go on without.

        Raises:
            SoftCoreError: a camera can't be opened at all, or what `fail` was told.
        """
        lines = self.lines.values()
        while not self._done.wait(_LOOK):
            if any(line.error for line in lines) or all(line.ended for line in lines):
                break
        for error in (self._error, *(line.error for line in self.lines.values())):
            if error:
                raise error

    def wait_for_fault(self) -> None:
        """Wait on, with nothing left to decide, until one thing failed that nothing can go on without.

        Raises:
            SoftCoreError: what `fail` was told.
        """
        self._done.wait()
        if self._error:
            raise self._error

    def fail(self, error: BaseException) -> None:
        """End the wait by an error."""
        self._error = self._error or error
        self._done.set()

    def stop(self) -> None:
        """End, with every trigger decided, entered and, as far as there is time, delivered."""
        began = time.monotonic()
        self.ended = True
        for line in self.lines.values():
            line.stop(began + _DECIDING)
        if self._clerk:
            while (
                any(line.queue.waiting for line in self.lines.values())
                and time.monotonic() < began + _DELIVERING
            ):
                self._clerk.call()
                time.sleep(0.002)
            self._clerk.stop(began + _ENDING - time.monotonic())
        for courier in self._couriers:
            courier.stop(began + _DELIVERING)
        for courier in self._couriers:
            courier.join(max(began + _ENDING - time.monotonic(), 0.05))
        for line in self.lines.values():
            line.join(max(began + _ENDING - time.monotonic(), 0.05))
        if self._marks:
            self._marks.close()
        self.book.close()

    def trigger(self, camera: str | None = None, part: str | None = None, by: Origin | None = None) -> str:
        """Ask for the decision on a part: see `Controls.trigger`."""
        return self.find(camera).trigger(part, by)

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        """Let another recipe decide: see `Controls.switch_recipe`."""
        line = self.find(camera)

        def confirm() -> None:
            self.note(Change("recipe", line.name, None, line.recipes.current.name, recipe, by))

        line.switch(recipe, confirm)

    def note(self, change: Change) -> Note:
        """Note a change in the ledger, before it is made, and tell the listeners; from any thread.

        Raises:
            UsageError: there is no ledger.
            LedgerError: it can't be written.
        """
        note = self.book.note(change)
        for listener in self._note_listeners:
            listener(note)
        return note

    def describe(self) -> Status:
        """Say how all is: see `Controls.describe`."""
        stuck = [line.stuck for line in self.lines.values()]
        if self._clerk:
            stuck.append(self._clerk.stuck)
        return Status(
            cameras=tuple(_describe(line, self.book) for line in self.lines.values()),
            outputs=tuple(courier.status for courier in self._couriers),
            ledger_fault=self.book.fault,
            stuck=next((what for what in stuck if what), None),
            alarms=tuple(alarm for alarms in self._alarms for alarm in alarms()),
        )

    def find(self, camera: str | None) -> Line:
        """Find a camera's line; None is the only one.

        Raises:
            UsageError: no such camera, or no camera named where there are several.
        """
        if camera is None and len(self.lines) == 1:
            return next(iter(self.lines.values()))
        if camera is None or camera not in self.lines:
            near = find_nearest(camera, self.lines) if camera else None
            named = "name a camera" if camera is None else f"no camera {camera!r}"
            meant = f"; did you mean {near}?" if near else ""
            raise UsageError(f"{named}{meant}; there are: {', '.join(self.lines)}")
        return self.lines[camera]


def _describe(line: Line, book: Bookkeeper) -> CameraStatus:
    recipe = line.recipes.current
    manifest = recipe.inspector.manifest
    live = line.source if isinstance(line.source, LiveCapture) else None
    return CameraStatus(
        name=line.name,
        fault=live.fault if live else None,
        reopened=live.reopened if live else 0,
        recipe=recipe.name,
        recipes=line.recipes.names,
        category=manifest.category,
        bundle=book.seal(manifest),
        threshold=manifest.threshold.value,
        fail_above=manifest.threshold.upper,
        waiting=line.queue.waiting,
        capacity=line.options.queue,
        triggers=line.queue.count,
        decisions=line.decisions,
        running=line.queue.running,
        live=live is not None,
        trigger=line.options.trigger,
        latency=line.options.latency,
    )
