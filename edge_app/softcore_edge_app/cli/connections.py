"""Connections: connects a station to PLC, broker, database, HTTP port, archive and systemd."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from softcore_runtime import Decision
from softcore_runtime.images.compression_statistics import CompressionStatistics

from softcore_edge_app.alarms.alarm_monitor import AlarmMonitor
from softcore_edge_app.alarms.alarm_notes import AlarmHistory, read_history
from softcore_edge_app.alarms.alarm_reading import AlarmPart
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_edge_app.health.compression_monitor import CompressionMonitor
from softcore_edge_app.health.drift_monitor import DriftMonitor, Reference, find_references
from softcore_edge_app.health.systemd import Watchdog
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.outputs.archive import Archive
from softcore_edge_app.pipeline.assembly import is_live
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.operator_service import OperatorService
from softcore_edge_app.queries.production_figures import count_decisions, count_stopped

__all__ = ["Connections"]

_ARCHIVING = 0.2  # seconds for the images that wait at the end
# Times the parts of the longest rule that are read at the start, for some may not count.
_REMEMBERED = 4

_log = logging.getLogger(__name__)


class Connections:
    """Connects a station; each library is imported only if its connection is configured.

    Args:
        station: the station, not started yet.
        configuration: which connections, and how.

    Raises:
        UsageError: a connection can't be made as it is configured.
        MissingLibraryError: a library that it needs is not installed.
    """

    def __init__(self, station: InspectionStation, configuration: Configuration) -> None:
        self._starts: list[Callable[[], None]] = []
        self._closes: list[Callable[[], None]] = []
        self._web: Any = None
        self.archive = Archive(configuration.archive) if configuration.archive else None
        if self.archive:
            self._keep(station, self.archive)
        drift = DriftMonitor(configuration.drift, lambda camera, bundle: _find(station, camera, bundle))
        calendar = ShiftCalendar.read(configuration.shifts, configuration.time_zone)
        others = (configuration.http, configuration.mqtt, configuration.modbus, configuration.postgres)
        if any(others) or is_live(station):  # a folder is no line
            station.add_listener(drift.add)
            station.add_alarms(drift.list_alarms)
            station.monitor = _make_monitor(station, configuration, calendar)
            station.add_listener(station.monitor.add)
        compression = CompressionMonitor(lambda camera, bundle: _find_traces(station, camera, bundle))
        station.add_listener(compression.add)
        station.add_alarms(compression.list_alarms)
        if configuration.mqtt:
            from softcore_edge_app.outputs.mqtt import MqttOutput

            self._add(mqtt := MqttOutput(configuration.mqtt, station))
            station.add_output(mqtt)
        if configuration.modbus:
            from softcore_edge_app.outputs.modbus import PlcLink

            last = station.find_last_part(configuration.modbus.camera, "modbus")
            self._add(plc := PlcLink(configuration.modbus, station, last_part=last))
            station.add_output(plc)
        if configuration.postgres:
            from softcore_edge_app.outputs.postgres.postgres import PostgresCopy

            postgres = PostgresCopy(configuration.postgres)
            station.add_copy(postgres)
            self._closes.append(postgres.close)
        if configuration.http:
            from softcore_edge_app.health.metrics import Metrics
            from softcore_edge_app.web.port.server import WebServer

            metrics = Metrics(station, drift, self.archive, station.monitor)
            station.add_listener(metrics.count)
            web = WebServer(
                configuration.http,
                OperatorService(station),
                metrics.render,
                ledger=configuration.ledger,
                archive=configuration.archive.folder if configuration.archive else None,
                list_drift=drift.describe,
                find_fault=lambda: self.archive.fault if self.archive else None,
                calendar=calendar,
            )
            self._add(web)
            self._web = web
            station.add_listener(web.publish)
            station.add_note_listener(web.publish_note)
        self._watchdog = Watchdog(station)

    def start(self) -> None:
        """Connect what can be reached now; the rest is connected when it can be reached.

        Raises:
            UsageError: a port is in use, or a camera that is named doesn't exist.
        """
        for start in self._starts:
            start()

    @property
    def url(self) -> str | None:
        """Where this machine reaches the port; None without one."""
        return str(self._web.url) if self._web else None

    def report_ready(self) -> None:
        """Report to systemd that the station runs."""
        self._watchdog.start()

    def report_ending(self) -> None:
        """Report to systemd that the station ends."""
        self._watchdog.stop()

    def close(self) -> None:
        """Close all connections at once, which takes half a second at most, whatever the other ends do."""
        if self._closes:
            with ThreadPoolExecutor(len(self._closes)) as pool:
                for closed in [pool.submit(close) for close in self._closes]:
                    closed.result()

    def _add(self, connection: Any) -> None:
        self._starts.append(connection.start)
        self._closes.append(connection.close)

    def _keep(self, station: InspectionStation, archive: Archive) -> None:
        station.add_listener(archive.keep)
        station.add_alarms(lambda: [archive.fault] if archive.fault else [])
        self._closes.append(lambda: archive.close(_ARCHIVING))


def _make_monitor(
    station: InspectionStation, configuration: Configuration, calendar: ShiftCalendar
) -> AlarmMonitor:
    """Make the monitor of a line's alarms, with what is open in its ledger."""
    rules, cameras, ledger = configuration.alarms, tuple(station.pipelines), station.writer.ledger
    if ledger is None:
        return AlarmMonitor(rules, cameras, calendar=calendar)
    counted = [rule for rule in rules.values() if rule.decisions]
    longest = max((rule.parts for rule in counted if rule.share is None), default=0)
    try:
        history = read_history(ledger.path, cameras, _REMEMBERED * longest)
        if any(rule.share is not None for rule in counted):
            history = replace(history, shift=tuple(_count_shift(ledger.path, calendar)))
    except (sqlite3.Error, ValueError) as error:
        _log.warning("%s: the alarms of before can't be read (%s); all begin as cleared", ledger.path, error)
        history = AlarmHistory()
    return AlarmMonitor(rules, cameras, station.note, history, calendar)


def _count_shift(ledger: Path, calendar: ShiftCalendar) -> Iterator[tuple[AlarmPart, int]]:
    """Count the parts of the running shift, by camera and decision, without those of a line that was stopped.

    Raises:
        sqlite3.Error: they can't be read.
    """
    shift = calendar.find(time.time_ns())
    with closing(connect_to_read(ledger)) as connection:
        stopped = count_stopped(connection, shift.since, shift.until)
        for camera, counts in count_decisions(connection, shift.since, shift.until).items():
            counts[Decision.INVALID] -= stopped[camera]
            for decision, parts in counts.items():
                yield AlarmPart(camera, "", decision, shift.since), parts


def _find_traces(station: InspectionStation, camera: str, bundle: str) -> CompressionStatistics | None:
    inspector = station.pipelines[camera].recipes.current.inspector
    return inspector.manifest.dataset.traces if inspector.seal == bundle else None


def _find(station: InspectionStation, camera: str, bundle: str) -> Mapping[str, Reference] | None:
    recipe = station.pipelines[camera].recipes.current
    if recipe.inspector.seal != bundle:
        return None
    return find_references(recipe.inspector, recipe.baselines)
