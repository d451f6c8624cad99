"""Metrics: the counts and measurements of a line, for Prometheus.

::

    softcore_triggers_total{camera}                  softcore_camera_up{camera}
    softcore_decisions_total{camera,category,decision}   softcore_camera_reopened_total{camera}
    softcore_invalid_total{camera,kind}              softcore_limit{camera,category}
    softcore_stage_seconds{camera,stage}             softcore_queue_waiting{camera}, _capacity{camera}
    softcore_score_share{camera,category}            softcore_output_up{output}, _backlog{output}
    softcore_ledger_up, softcore_stuck, _alarms      softcore_output_delivered_total, _failures_total{output}
    softcore_drift_change, _drift_alarm{camera,category,quantity,pace}
    softcore_alarm_open, _alarm_unacknowledged, _alarm_raises_total{camera,rule,level}
    softcore_shadow_up, _seen, _differing, _skipped{camera}
    softcore_archive_kept_total, _dropped_total, _up
    softcore_temperature_celsius{sensor}             softcore_build_info{version,python}
    process_resident_memory_bytes, process_cpu_seconds_total, process_open_fds, ...
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Protocol

from softcore_runtime import Bound, Decision
from softcore_runtime.missing_library import explain_import

from softcore_edge_app.alarms.alarm_monitor import AlarmMonitor
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.health.drift_monitor import DriftMonitor
from softcore_edge_app.pipeline.controls import Controls, Status

try:
    import psutil
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Histogram,
        ProcessCollector,
        disable_created_metrics,
        generate_latest,
    )
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
    from prometheus_client.exposition import CONTENT_TYPE_LATEST
    from prometheus_client.registry import Collector
except ImportError as error:
    raise explain_import(error, "edge") from error

__all__ = ["ArchiveStatus", "Metrics"]

_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# Of the threshold.
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)


class ArchiveStatus(Protocol):
    """The state of an archive: images kept and dropped, and why none can be kept now."""

    @property
    def kept(self) -> int: ...  # noqa: D102
    @property
    def dropped(self) -> int: ...  # noqa: D102
    @property
    def fault(self) -> str | None: ...  # noqa: D102


class Metrics:
    """Counts decisions as they are made, and reads the rest from the line at each request of Prometheus.

    Args:
        controls: the line.
        drift: the drift monitor, if there is one.
        archive: the archive, if there is one.
        monitor: raises alarms, if there is one.

    Raises:
        MissingLibraryError: on import; the extra `edge` installs what it needs.
    """

    def __init__(
        self,
        controls: Controls,
        drift: DriftMonitor | None = None,
        archive: ArchiveStatus | None = None,
        monitor: AlarmMonitor | None = None,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # second series of counters, not needed here
        self._registry = registry = CollectorRegistry()
        decisions = Counter(
            "softcore_decisions", "Decisions.", ("camera", "category", "decision"), registry=registry
        )
        invalid = Counter(
            "softcore_invalid", "INVALID decisions, by kind of reason.", ("camera", "kind"), registry=registry
        )
        seconds = Histogram(
            "softcore_stage_seconds", "How long each stage of a decision took.", ("camera", "stage"),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        shares = Histogram(
            "softcore_score_share", "Exact scores as a share of the threshold.", ("camera", "category"),
            buckets=_SHARES, registry=registry,
        )  # fmt: skip
        # Finding a series by its labels takes longer than counting.
        self._decisions, self._invalid = cache(decisions.labels), cache(invalid.labels)
        self._seconds, self._shares = cache(seconds.labels), cache(shares.labels)
        ProcessCollector(registry=registry)
        registry.register(_LineCollector(controls, drift, archive, monitor))

    def count(self, published: PublishedDecision) -> None:
        """Count a decision; at once, and never raises."""
        record = published.record
        self._decisions(record.camera, record.category, str(record.decision)).inc()
        if record.decision is Decision.INVALID:
            self._invalid(record.camera, find_kind(record.reason)).inc()
        elif record.share is not None and record.bound == Bound.EXACT:
            self._shares(record.camera, record.category).observe(record.share)
        for stage, seconds in record.stages.items():
            self._seconds(record.camera, stage).observe(seconds)

    def render(self) -> tuple[bytes, str]:
        """Return all metrics in the format of Prometheus, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _LineCollector(Collector):
    """Reads the state of the line at each request."""

    def __init__(
        self,
        controls: Controls,
        drift: DriftMonitor | None,
        archive: ArchiveStatus | None,
        monitor: AlarmMonitor | None,
    ) -> None:
        self._controls = controls
        self._monitor = monitor
        self._drift = drift
        self._archive = archive

    def describe(self) -> list[Metric]:
        """Return no metrics beforehand, so that nothing is read while the line starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the state."""
        status = self._controls.describe()
        yield from _collect_cameras(status)
        yield from _collect_shadows(status)
        yield from _collect_outputs(status)
        yield _gauge("ledger_up", "Whether decisions can be entered.", status.ledger_fault is None)
        yield _gauge("stuck", "Whether something hangs.", status.stuck is not None)
        yield _gauge("alarms", "What a person should see to.", len(status.alarms))
        if self._drift is not None:
            yield from _collect_drift(self._drift)
        if self._monitor is not None:
            yield from _collect_alarms(self._monitor)
        if self._archive is not None:
            yield from _collect_archive(self._archive)
        yield _collect_temperatures()
        build = InfoMetricFamily("softcore_build", "What runs.")
        build.add_metric((), {"version": version("softcore"), "python": platform.python_version()})
        yield build


def _collect_cameras(status: Status) -> Iterator[Metric]:
    triggers = CounterMetricFamily("softcore_triggers", "Triggers.", labels=("camera",))
    reopened = CounterMetricFamily("softcore_camera_reopened", "Reopenings of a camera.", labels=("camera",))
    up = GaugeMetricFamily("softcore_camera_up", "Whether it gives images of parts.", labels=("camera",))
    waiting = GaugeMetricFamily("softcore_queue_waiting", "Triggers without a decision.", labels=("camera",))
    capacity = GaugeMetricFamily("softcore_queue_capacity", "How many may wait.", labels=("camera",))
    threshold = GaugeMetricFamily("softcore_limit", "The threshold in use.", labels=("camera", "category"))
    for camera in status.cameras:
        triggers.add_metric((camera.name,), camera.triggers)
        reopened.add_metric((camera.name,), camera.reopened)
        up.add_metric((camera.name,), camera.fault is None)
        waiting.add_metric((camera.name,), camera.waiting)
        capacity.add_metric((camera.name,), camera.capacity)
        threshold.add_metric((camera.name, camera.category), camera.threshold)
    yield from (triggers, reopened, up, waiting, capacity, threshold)


def _collect_shadows(status: Status) -> Iterator[Metric]:
    """Collect what shadows did; gauges, for another bundle or threshold begins a new count."""
    shadows = [(camera.name, camera.shadow) for camera in status.cameras if camera.shadow]
    if not shadows:
        return
    up = GaugeMetricFamily("softcore_shadow_up", "Whether the shadow is asked.", labels=("camera",))
    seen = GaugeMetricFamily("softcore_shadow_seen", "Parts that it saw.", labels=("camera",))
    differing = GaugeMetricFamily("softcore_shadow_differing", "On which it differs.", labels=("camera",))
    skipped = GaugeMetricFamily("softcore_shadow_skipped", "Parts it had no time for.", labels=("camera",))
    for name, shadow in shadows:
        up.add_metric((name,), shadow.fault is None)
        seen.add_metric((name,), shadow.seen)
        differing.add_metric((name,), shadow.differing)
        skipped.add_metric((name,), shadow.skipped)
    yield from (up, seen, differing, skipped)


def _collect_outputs(status: Status) -> Iterator[Metric]:
    up = GaugeMetricFamily("softcore_output_up", "Whether it takes decisions.", labels=("output",))
    backlog = GaugeMetricFamily("softcore_output_backlog", "Decisions that wait for it.", labels=("output",))
    delivered = CounterMetricFamily(
        "softcore_output_delivered", "Decisions that it took.", labels=("output",)
    )
    failures = CounterMetricFamily("softcore_output_failures", "Deliveries that failed.", labels=("output",))
    for output in status.outputs:
        up.add_metric((output.name,), output.fault is None)
        backlog.add_metric((output.name,), output.backlog)
        delivered.add_metric((output.name,), output.delivered)
        failures.add_metric((output.name,), output.failures)
    yield from (up, backlog, delivered, failures)


def _collect_drift(drift: DriftMonitor) -> Iterator[Metric]:
    labels = ("camera", "category", "quantity", "pace")
    change = GaugeMetricFamily(
        "softcore_drift_change", "Of good parts, as a share: 0.1 is 10 % up.", labels=labels
    )
    alarm = GaugeMetricFamily("softcore_drift_alarm", "Whether that is an alarm.", labels=labels)
    for found in drift.describe():
        values = (found.camera, found.category, found.quantity, found.pace)
        change.add_metric(values, found.change)
        alarm.add_metric(values, found.raised)
    yield from (change, alarm)


def _collect_alarms(monitor: AlarmMonitor) -> Iterator[Metric]:
    labels = ("camera", "rule", "level")
    still = GaugeMetricFamily("softcore_alarm_open", "Whether it isn't cleared.", labels=labels)
    waiting = GaugeMetricFamily(
        "softcore_alarm_unacknowledged", "Whether it waits to be acknowledged.", labels=labels
    )
    raises = CounterMetricFamily("softcore_alarm_raises", "How often it was raised.", labels=labels)
    for alarm in monitor.describe():
        values = (alarm.camera, alarm.rule, alarm.level)
        still.add_metric(values, alarm.state != "cleared")
        waiting.add_metric(values, alarm.state == "raised")
        raises.add_metric(values, alarm.raises)
    yield from (still, waiting, raises)


def _collect_archive(archive: ArchiveStatus) -> Iterator[Metric]:
    yield CounterMetricFamily("softcore_archive_kept", "Parts whose image was kept.", value=archive.kept)
    yield CounterMetricFamily("softcore_archive_dropped", "Parts whose image was not.", value=archive.dropped)
    yield _gauge("archive_up", "Whether images can be kept.", archive.fault is None)


def _collect_temperatures() -> Metric:
    family = GaugeMetricFamily("softcore_temperature_celsius", "Where readable.", labels=("sensor",))
    hottest: dict[str, float] = {}  # a chip may have several sensors of one name
    try:
        for chip, sensors in psutil.sensors_temperatures().items():
            for sensor in sensors:
                name = f"{chip} {sensor.label}".strip()
                hottest[name] = max(sensor.current, hottest.get(name, sensor.current))
    except OSError:  # a sensor that was removed
        pass
    for name, celsius in hottest.items():
        family.add_metric((name,), celsius)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"softcore_{name}", text, value=value)
