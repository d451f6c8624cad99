from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from softcore_edge_app.alarms.alarm_monitor import AlarmMonitor
from softcore_edge_app.alarms.alarm_reading import AlarmPart
from softcore_edge_app.configuration.alarm_options import AlarmOptions
from softcore_edge_app.configuration.options import DriftOptions
from softcore_edge_app.health.drift_monitor import DriftMonitor, Reference
from softcore_edge_app.health.metrics import Metrics
from softcore_edge_app.pipeline.controls import ShadowStatus
from softcore_runtime import Decision
from softcore_runtime.bundle.baseline import Baseline

HOSTILE = 'a"b\\c\nd{e="f"} 1 ü\u2028\x00'


def read(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus's own parser makes of it, by name and labels."""
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return f"softcore_{name}", tuple(sorted(labels.items()))


def test_decisions_are_counted(line: Any, make_decided: Any) -> None:
    metrics = Metrics(line)
    for decided in [make_decided(1.0)] * 3 + [make_decided(5.0), make_decided(1.9, exact=False)]:
        metrics.count(decided)
    for reason in (
        "late: still without a frame after 1.00 s",
        "the image is black",
        "a thing 1",
        "a thing 2",
    ):
        metrics.count(make_decided(None, reason=reason))
    found = read(metrics)
    where = {"camera": "front", "category": "pill"}
    assert found[key("decisions_total", **where, decision="PASS")] == 4
    assert found[key("decisions_total", **where, decision="FAIL")] == 1
    assert found[key("decisions_total", **where, decision="INVALID")] == 4
    assert found[key("invalid_total", camera="front", kind="late")] == 1
    assert found[key("invalid_total", camera="front", kind="other")] == 2
    assert found[key("stage_seconds_count", camera="front", stage="total")] == 9
    assert found[key("stage_seconds_bucket", camera="front", stage="inspection", le="0.003")] == 0
    assert found[key("stage_seconds_bucket", camera="front", stage="inspection", le="0.005")] == 9
    assert found[key("score_share_count", **where)] == 4  # the exact ones
    assert found[key("score_share_bucket", **where, le="1.0")] == 3


def test_the_line_is_asked(line: Any) -> None:
    metrics = Metrics(line)
    found = read(metrics)
    assert found[key("triggers_total", camera="front")] == 10
    assert found[key("queue_waiting", camera="front")] == 4
    assert found[key("queue_capacity", camera="front")] == 16
    assert found[key("camera_reopened_total", camera="front")] == 3
    assert found[key("camera_up", camera="front")] == 1
    assert found[key("limit", camera="front", category="pill")] == 2
    assert found[key("output_delivered_total", output="mqtt")] == 5
    assert found[key("output_backlog", output="mqtt")] == 1
    assert found[key("output_failures_total", output="mqtt")] == 2
    assert (found[key("ledger_up")], found[key("stuck")], found[key("alarms")]) == (1, 0, 0)
    assert found[("process_resident_memory_bytes", ())] == pytest.approx(
        psutil.Process(os.getpid()).memory_info().rss, rel=0.2
    )
    assert any(name == "softcore_build_info" for name, _ in found)
    line.change(ledger_fault="full", stuck="the disk", alarms=("a", "b"))
    found = read(metrics)
    assert (found[key("ledger_up")], found[key("stuck")], found[key("alarms")]) == (0, 1, 2)


def test_drift_and_archive(line: Any, make_decided: Any) -> None:
    known = {"score": Reference(Baseline(parts=1000, centre=0.0, spread=0.1), "at calibration")}
    drift = DriftMonitor(DriftOptions(), lambda _camera, _bundle: known)
    metrics = Metrics(line, drift, SimpleNamespace(kept=7, dropped=2, fault="the disk is full"))
    for _ in range(5000):
        drift.add(make_decided(1.5))
    found = read(metrics)
    where = {"camera": "front", "category": "pill", "quantity": "score", "pace": "slow"}
    assert found[key("drift_change", **where)] == pytest.approx(0.5, rel=1e-6)
    assert found[key("drift_alarm", **where)] == 1
    assert (found[key("archive_kept_total")], found[key("archive_dropped_total")]) == (7, 2)
    assert found[key("archive_up")] == 0


def test_alarms_are_there_before_they_are_raised(line: Any) -> None:
    monitor = AlarmMonitor({"run": AlarmOptions(decisions="FAIL", parts=2, count=2)}, ["front"])
    metrics = Metrics(line, monitor=monitor)

    def look() -> list[float]:
        found, where = read(metrics), {"camera": "front", "rule": "run", "level": "alarm"}
        names = ("alarm_open", "alarm_unacknowledged", "alarm_raises_total")
        return [found[key(name, **where)] for name in names]

    assert look() == [0, 0, 0]
    for _ in range(2):
        monitor.follow(AlarmPart("front", "pill", Decision.FAIL), 0.0)
    assert look() == [1, 1, 1]
    monitor.acknowledge("run", "front", "page")
    assert look() == [1, 0, 1]
    for _ in range(2):
        monitor.follow(AlarmPart("front", "pill", Decision.PASS), 0.0)
    assert look() == [0, 0, 1]


def test_whatever_cameras_and_categories_are_called(line: Any, make_decided: Any) -> None:
    metrics = Metrics(line)
    metrics.count(make_decided(1.0, camera=HOSTILE, category=HOSTILE))
    metrics.count(make_decided(1.0, camera=HOSTILE + " ", category="{}"))
    found = read(metrics)
    assert found[key("decisions_total", camera=HOSTILE, category=HOSTILE, decision="PASS")] == 1


def test_temperatures_of_one_name_are_written_once(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sensors = {
        "coretemp": [SimpleNamespace(label="", current=55.0), SimpleNamespace(label="", current=40.0)],
        "gpu": [SimpleNamespace(label="die", current=61.5)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors)
    found = read(Metrics(line))
    assert found[key("temperature_celsius", sensor="coretemp")] == 55
    assert found[key("temperature_celsius", sensor="gpu die")] == 61.5

    def fail() -> None:
        raise OSError("gone")

    monkeypatch.setattr(psutil, "sensors_temperatures", fail)
    assert not any(name == "softcore_temperature_celsius" for name, _ in read(Metrics(line)))


def test_two_lines_in_one_process_count_apart(line: Any, make_decided: Any) -> None:
    one, other = Metrics(line), Metrics(line)
    one.count(make_decided(1.0))
    assert not any(name == "softcore_decisions_total" for name, _ in read(other))


def test_a_shadow_has_its_counts(line: Any) -> None:
    metrics = Metrics(line)
    assert not any("shadow" in name for name, _ in read(metrics))
    shadow = ShadowStatus("bundles/new", None, "cd" * 32, "pill", 12.0, False, 7, 2, 1)
    line.change(cameras=(replace(line.status.cameras[0], shadow=shadow),))
    found = read(metrics)
    told = [found[key(f"shadow_{what}", camera="front")] for what in ("up", "seen", "differing", "skipped")]
    assert told == [1, 7, 2, 1]
    line.change(cameras=(replace(line.status.cameras[0], shadow=replace(shadow, fault="no bundle here")),))
    assert read(metrics)[key("shadow_up", camera="front")] == 0
