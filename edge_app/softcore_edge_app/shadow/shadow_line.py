"""Shadow line: asks the bundles on trial about parts that are decided on, whenever no other part waits.

A part is asked about after its decision is in the ledger and published. Nothing here is between a trigger and
its decision: what a bundle on trial says, and whether it fails or hangs, no output learns.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from softcore_runtime import Inspector, LedgerError, UsageError
from softcore_runtime.cli.bundle_choice import choose_bundle

from softcore_edge_app.configuration.options import CameraOptions, Configuration
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.note import Change
from softcore_edge_app.pipeline.controls import Difference, ShadowStatus
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.recipes import Recipe, Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_edge_app.shadow.shadow_camera import ShadowCamera

__all__ = ["ShadowLine", "add_shadow"]

_POLL = 0.25  # seconds between two looks at what else there is to do
_BATCH, _AGE = 100, 10.0  # opinions, and seconds since the last note, after which they are noted
_ENDING = 0.3  # seconds that an inspection may take at the end

_log = logging.getLogger(__name__)


class ShadowLine:
    """A thread that asks the bundles on trial of a station.

    One part at a time is inspected for all cameras, and none is begun while a trigger waits for its decision.
    Of the parts of a camera the newest one waits; those before it are skipped and counted. Recorded parts
    without a deadline wait for the bundle on trial instead, and none of them is skipped: it inspects one
    while the next one's decision is entered.

    Args:
        station: the station, not started yet. Everything else that gets its decisions was added before.
        given: by camera and recipe, the bundles on trial as the configuration names them.
        load: opens a bundle's folder and repeats its self-test.
        fast: whether only decisions are needed, and no exact scores.
        unchecked: whether to inspect also frames that can't show a part.
    """

    def __init__(
        self,
        station: InspectionStation,
        given: Mapping[str, Mapping[str, str]],
        load: Callable[[Path], Inspector],
        *,
        fast: bool = False,
        unchecked: bool = False,
    ) -> None:
        self._station, self._fast, self._unchecked = station, fast, unchecked
        # Of their own: a bundle that also decides must not be waited for.
        self._inspectors = SharedInspectors(load)
        self._changed = threading.Condition()
        self._ending = False
        self._cameras = {
            name: ShadowCamera(name, number, dict(given[name]), pipeline.recipes.current.name)
            for number, (name, pipeline) in enumerate(station.pipelines.items())
            if name in given
        }
        self._urgent = [one.queue for one in station.pipelines.values() if not one.patient]
        for camera in self._cameras.values():
            self._open(camera)
            pipeline = station.pipelines[camera.name]
            if pipeline.patient:
                camera.patient, pipeline.pause = True, self._make_pause(camera)
                pipeline.is_behind = self._make_question(camera)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, published: PublishedDecision) -> None:
        """Take a decision that was published, to ask about the part; returns at once."""
        with self._changed:
            camera = self._cameras.get(published.record.camera)
            if camera:
                camera.offer(published)
            self._changed.notify_all()

    def list_alarms(self) -> list[str]:
        """Return what a person should check, in plain words."""
        return [
            f"shadow of {camera.name}: {trouble}; the line runs on without it"
            for camera in self._cameras.values()
            if (trouble := camera.trouble)
        ]

    def describe(self, camera: str) -> ShadowStatus | None:
        """Return the status of a camera's bundle on trial: see `Shadow.describe`."""
        with self._changed:
            found = self._cameras.get(camera)
            return found.describe() if found else None

    def list_differences(self, camera: str) -> list[Difference]:
        """Return the last parts on which it differs: see `Shadow.list_differences`."""
        with self._changed:
            found = self._cameras.get(camera)
            return found.list_differences() if found else []

    def follow(self, camera: str) -> None:
        """Take the bundle on trial of the recipe in use: see `Shadow.follow`."""
        with self._changed:
            if found := self._cameras.get(camera):
                found.drop(self._station.pipelines[camera].recipes.current.name)
                self._changed.notify_all()

    def propose(self, camera: str, *, force: bool) -> Path:
        """Return the bundle on trial that may take the place of another: see `Shadow.propose`."""
        status = self.describe(camera)
        if status is None:
            raise UsageError(f"{camera}: there is no shadow to be promoted")
        if status.fault:
            raise UsageError(f"{camera}: its shadow can't be promoted: {status.fault}")
        if not force and not status.seen:
            raise UsageError(f"{camera}: its shadow {status.path} has seen no part yet")
        if not force and status.provisional:
            raise UsageError(f"{camera}: the threshold of its shadow {status.path} is provisional")
        return choose_bundle(status.path)

    def exchange(self, camera: str, before: Path) -> None:
        """Take the bundle whose place was taken as the one on trial: see `Shadow.exchange`."""
        recipe = self._station.pipelines[camera].recipes.current.name
        with self._changed:
            found = self._cameras[camera]
            found.given.pop(found.recipe, None)
            found.given[recipe] = str(before)
            found.drop(recipe)
            self._changed.notify_all()

    def stop(self) -> None:
        """End, and note what was said by then."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join(_ENDING)
        for camera in self._cameras.values():
            with self._changed:
                camera.skip_waiting()
            self._note(camera)

    def _make_pause(self, camera: ShadowCamera) -> Callable[[str], None]:
        queue = self._station.pipelines[camera.name].queue

        def pause(trigger: str) -> None:
            with self._changed:
                camera.expected.append(trigger)
                camera.pausing = True
                self._changed.notify_all()
                while camera.behind > 1 and not self._ending and queue.closing is None:
                    self._changed.wait(_POLL)
                camera.pausing = False

        return pause

    def _make_question(self, camera: ShadowCamera) -> Callable[[], bool]:
        def is_behind() -> bool:
            with self._changed:
                return camera.behind > 0 and not self._ending

        return is_behind

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or self._choose(), _POLL)
                if self._ending:
                    return
                camera = self._choose()
                published = None
                if camera and not camera.stale:
                    published, camera.busy_since = camera.waiting.popleft(), time.monotonic()
            try:
                if camera and camera.stale:
                    self._open(camera)
                elif camera and published:
                    self._ask(camera, published)
                self._note_due()
            except Exception:  # a trial must not end because one part of it failed
                _log.exception("internal error in the shadow")

    def _choose(self) -> ShadowCamera | None:
        """Return a camera with something to do, if no trigger waits for its decision."""
        if any(queue.waiting for queue in self._urgent):
            return None
        return next((one for one in self._cameras.values() if one.stale or self._may_ask(one)), None)

    def _may_ask(self, camera: ShadowCamera) -> bool:
        if not camera.waiting or not camera.patient:
            return bool(camera.waiting)
        # Not beside the inspection of the next part: both would take twice as long.
        return (camera.pausing and camera.behind > 1) or self._station.pipelines[camera.name].idle

    def _open(self, camera: ShadowCamera) -> None:
        """Open the bundle on trial of a camera's recipe; what can't be opened is said, and left."""
        recipe = camera.recipe
        given = camera.given.get(recipe)
        opened: Recipe | None = None
        fault = None
        if given is not None:
            try:
                paths = {recipe: choose_bundle(given)}
                opened = Recipes(paths, self._inspectors, unchecked=self._unchecked).current
            except Exception as error:  # whatever a library raises
                fault = str(error) or type(error).__name__
                _log.warning("%s: no shadow: %s; the line runs on without it", camera.name, fault)
            else:
                _log.info("%s: %s inspects in the shadow, and decides nothing", camera.name, given)
        with self._changed:
            if camera.recipe == recipe and camera.given.get(recipe) == given:
                camera.adopt(opened, fault)
            self._changed.notify_all()

    def _ask(self, camera: ShadowCamera, published: PublishedDecision) -> None:
        trigger = published.record.trigger
        said = None
        try:
            if camera.opened:
                camera.opened.reload_threshold(lambda: self._ending)
            said = camera.ask(published, fast=self._fast)
        except Exception as error:
            _log.warning(
                "%s: the shadow failed on trigger %s (%s); the decision stands", camera.name, trigger, error
            )
            said = camera.fail(published, error)
        with self._changed:
            camera.busy_since = None
            if said is None:  # another recipe came meanwhile
                camera.skip(published)
            else:
                camera.add(published, *said, keeps=self._station.writer.ledger is not None)
            self._changed.notify_all()

    def _note_due(self) -> None:
        now = time.monotonic()
        for camera in self._cameras.values():
            old = now - camera.noted_at > _AGE
            if camera.unnoted >= _BATCH or old:
                camera.noted_at = now
                self._note(camera)

    def _note(self, camera: ShadowCamera) -> None:
        """Note a camera's opinions in the ledger; those that can't be noted now are noted later."""
        ledger = self._station.writer.ledger
        if ledger is None:
            return
        with self._changed:
            batches = camera.take_batches()
        while batches:
            try:
                self._station.writer.note(
                    Change("shadow", camera.name, None, None, batches[0].dump(), "line")
                )
            except LedgerError as error:
                _log.warning("%s: what the shadow said can't be noted yet (%s)", camera.name, error)
                with self._changed:
                    camera.return_batches(batches)
                return
            batches.pop(0)


def add_shadow(station: InspectionStation, configuration: Configuration) -> ShadowLine | None:
    """Add the bundles on trial that are configured to a station, after all its other listeners.

    Returns:
        what asks them; None where none is configured.
    """
    cameras = configuration.cameras or {next(iter(station.pipelines)): configuration}
    given = {
        name: found for name, options in cameras.items() if (found := _list_shadows(options, station, name))
    }
    if not given:
        return None

    def load(path: Path) -> Inspector:
        return Inspector.load(
            path,
            engine=configuration.engine,
            provider=configuration.provider,
            threads=configuration.threads,
            trust=configuration.trust.trust if configuration.trust else None,
        )

    shadow = ShadowLine(station, given, load, fast=configuration.fast, unchecked=configuration.unchecked)
    station.shadow = shadow
    station.add_listener(shadow.offer)
    station.add_alarms(shadow.list_alarms)
    return shadow


def _list_shadows(options: CameraOptions, station: InspectionStation, name: str) -> dict[str, str]:
    if options.shadow is None:
        return dict(options.shadows)
    return {station.pipelines[name].recipes.current.name: options.shadow}
