"""Operator service: what a person does to set a line up; each change is noted in the ledger first."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from softcore_runtime import LedgerError, SoftCoreError, UsageError
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold

from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.ledger.note import Change, Note
from softcore_edge_app.pipeline.controls import Difference, View
from softcore_edge_app.pipeline.inspection_station import InspectionStation

__all__ = ["OperatorService"]

_log = logging.getLogger(__name__)


class OperatorService:
    """The controls of a station for a person, see `OperatorControls`."""

    def __init__(self, station: InspectionStation) -> None:
        self._station = station
        self.trigger, self.switch_recipe, self.describe = (
            station.trigger, station.switch_recipe, station.describe,
        )  # fmt: skip

    def trigger_by_hand(self, camera: str | None, part: str | None, by: str) -> str:
        """Trigger the decision on a part: see `OperatorControls.trigger_by_hand`."""
        writer = self._station.writer
        if writer.fault:
            raise LedgerError(f"{writer.fault}; nothing was triggered")
        pipeline = self._station.find(camera)
        trigger = pipeline.trigger(part, "page")
        if writer.ledger:  # only now the id is known; the part has a row of its own anyway
            self._station.note(Change("trigger", pipeline.name, trigger, None, part, by))
        return trigger

    def note_mark(self, trigger: str, camera: str, before: str | None, after: str | None, by: str) -> Note:
        """Note that a part is `good` or `bad`: see `OperatorControls.note_mark`."""
        return self._station.note(Change("mark", camera, trigger, before, after, by))

    def change_threshold(
        self, value: float, fail_above: float | None, camera: str | None, by: str
    ) -> tuple[Threshold, Threshold]:
        """Set the threshold of the bundle in use: see `OperatorControls.change_threshold`."""
        pipeline = self._station.find(camera)
        recipe = pipeline.recipes.current
        path, manifest = recipe.inspector.bundle.path, recipe.inspector.manifest
        old = manifest.threshold
        new = Threshold(
            value=value,
            fail_above=fail_above,
            provisional=False,
            method="set on the page",
            min_area=old.min_area,
        )
        if recipe.inspector.bundle.trust:
            raise UsageError(
                f"{recipe.name}: this line takes signed thresholds only, and the page can't sign one; set it "
                "with softcore-calibrate --sign KEY"
            )
        # Before it is noted: a threshold that can't be set would be noted twice, done and undone.
        if fault := recipe.inspector.explain_threshold(new):
            raise UsageError(f"{recipe.name}: {fault}; nothing was changed")
        change = Change(
            "limit", pipeline.name, recipe.name, _format_threshold(old), _format_threshold(new), by
        )
        with self._noted(change):
            mask = (path / old.mask).read_bytes() if old.mask else None
            set_threshold(path, new, manifest, mask)
        pipeline.reload_threshold()
        return old, recipe.inspector.manifest.threshold

    def acknowledge_alarm(self, rule: str, camera: str | None, by: str) -> AlarmStatus:
        """Acknowledge the alarm of a rule: see `OperatorControls.acknowledge_alarm`."""
        if self._station.monitor is None:
            raise UsageError("this line raises no alarms")
        return self._station.monitor.acknowledge(rule, camera, by)

    def set_running(self, running: bool, camera: str | None, by: str) -> None:
        """Stop a camera for a while, or let it go on: see `OperatorControls.set_running`."""
        pipeline = self._station.find(camera)
        before = pipeline.queue.running
        if running != before:
            self._station.note(
                Change("running", pipeline.name, None, _format_bool(before), _format_bool(running), by)
            )
            pipeline.halt(running=running)

    def view(self, camera: str | None) -> View:
        """Return the newest image of a camera: see `OperatorControls.view`."""
        pipeline = self._station.find(camera)
        return View(pipeline.image, pipeline.recipes.current.image_statistics)

    def list_differences(self, camera: str | None) -> list[Difference]:
        """Return the last parts on which a shadow differs: see `OperatorControls.list_differences`."""
        name, shadow = self._station.find(camera).name, self._station.shadow
        return shadow.list_differences(name) if shadow else []

    def promote_shadow(
        self,
        camera: str | None,
        by: str,
        *,
        recipe: str | None = None,
        bundle: str | None = None,
        force: bool = False,
    ) -> tuple[Path, Path]:
        """Let shadow and bundle change places: see `OperatorControls.promote_shadow`."""
        pipeline, shadow = self._station.find(camera), self._station.shadow
        status = shadow.describe(pipeline.name) if shadow else None
        if shadow is None or status is None:
            raise UsageError(f"{pipeline.name}: no shadow runs beside its bundle")
        used = pipeline.recipes.current
        if recipe not in (None, used.name):
            raise UsageError(f"{pipeline.name}: recipe {recipe} is not in use now, {used.name} is")
        if bundle not in (None, status.bundle):
            raise UsageError(f"{pipeline.name}: its shadow is another bundle than the one to be promoted")
        path, before = shadow.propose(pipeline.name, force=force), used.inspector.bundle.path
        change = Change("bundle", pipeline.name, used.name, str(before), str(path), by)
        pipeline.replace_bundle(path, lambda: self._station.note(change))
        shadow.exchange(pipeline.name, before)
        return before, path

    @contextmanager
    def _noted(self, change: Change) -> Iterator[None]:
        """Note the change that is made inside; if that fails, note that it was undone."""
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


def _format_threshold(threshold: Threshold) -> str:
    grey = threshold.fail_above is not None
    return f"{threshold.value!r} to {threshold.upper!r}" if grey else repr(threshold.value)


def _format_bool(running: bool) -> str:
    return "true" if running else "false"
