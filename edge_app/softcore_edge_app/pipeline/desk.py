"""Desk: where a person sets a line up; what is changed there is noted in the ledger first."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from softcore_runtime import LedgerError, SoftCoreError, UsageError
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold

from softcore_edge_app.ledger.note import Change, Note
from softcore_edge_app.ledger.origin import Origin
from softcore_edge_app.pipeline.controls import View
from softcore_edge_app.pipeline.station import Station

__all__ = ["Desk"]

_log = logging.getLogger(__name__)


class Desk:
    """All that may be asked of a station, see `SetUp`."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self.trigger, self.switch_recipe, self.describe = (
            station.trigger, station.switch_recipe, station.describe,
        )  # fmt: skip

    def trigger_by_hand(self, camera: str | None, part: str | None, by: Origin) -> str:
        """Ask for the decision on a part: see `SetUp.trigger_by_hand`."""
        book = self._station.book
        if book.fault:
            raise LedgerError(f"{book.fault}; nothing was triggered")
        line = self._station.find(camera)
        trigger = line.trigger(part, by)
        if book.ledger:  # the id is known only now; the part has a row of its own anyway
            self._station.note(Change("trigger", line.name, trigger, None, part, by))
        return trigger

    def note_mark(self, trigger: str, camera: str, before: str | None, after: str | None, by: str) -> Note:
        """Note what a person calls a part: see `SetUp.note_mark`."""
        return self._station.note(Change("mark", camera, trigger, before, after, by))

    def change_threshold(
        self, value: float, fail_above: float | None, camera: str | None, by: str
    ) -> tuple[Threshold, Threshold]:
        """Set the threshold of the bundle in use: see `SetUp.change_threshold`."""
        line = self._station.find(camera)
        recipe = line.recipes.current
        path, manifest = recipe.inspector.bundle.path, recipe.inspector.manifest
        old = manifest.threshold
        new = Threshold(
            value=value,
            fail_above=fail_above,
            provisional=False,
            method="set on the page",
            min_area=old.min_area,
        )
        # Before it is noted: what can't be set would be noted twice, done and taken back.
        if fault := recipe.inspector.explain_threshold(new):
            raise UsageError(f"{recipe.name}: {fault}; nothing was changed")
        change = Change("limit", line.name, recipe.name, _describe(old), _describe(new), by)
        with self._noted(change):
            mask = (path / old.mask).read_bytes() if old.mask else None
            set_threshold(path, new, manifest, mask)
        line.reload_threshold()
        return old, recipe.inspector.manifest.threshold

    def set_running(self, running: bool, camera: str | None, by: str) -> None:
        """Stop a camera for a while, or let it go on: see `SetUp.set_running`."""
        line = self._station.find(camera)
        before = line.queue.running
        if running != before:
            self._station.note(Change("running", line.name, None, _say(before), _say(running), by))
            line.halt(running=running)

    def look(self, camera: str | None) -> View:
        """Give what a camera sees: see `SetUp.look`."""
        line = self._station.find(camera)
        return View(line.image, line.recipes.current.looks)

    @contextmanager
    def _noted(self, change: Change) -> Iterator[None]:
        """Note what is done inside; where that fails note that it was taken back."""
        self._station.note(change)
        try:
            yield
        except BaseException:
            try:
                self._station.note(change.undo())
            except SoftCoreError as error:
                _log.error(
                    "a %s that was noted, but not changed, can't be taken back: %s", change.kind, error
                )
            raise


def _describe(threshold: Threshold) -> str:
    grey = threshold.fail_above is not None
    return f"{threshold.value!r} to {threshold.upper!r}" if grey else repr(threshold.value)


def _say(running: bool) -> str:
    return "true" if running else "false"
