"""A long run: what lives as long as a line holds no more after 30 000 parts than it may."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import islice
from pathlib import Path
from queue import Queue, SimpleQueue
from typing import Any

from softcore_edge_app.configuration.options import DriftOptions
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.delivery.decision_log import MOST_UNENTERED, DecisionLog
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.delivery.delivery_worker import DeliveryWorker
from softcore_edge_app.health.drift_monitor import DriftMonitor
from softcore_edge_app.health.metrics import Metrics
from softcore_edge_app.web.events import EventStream
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.shifts.shift import ShiftCounter
from softcore_runtime import Decision

PARTS = 30_000  # more than is kept anywhere
SOME = 200  # what objects hold without parts: counters, charts, labels
FIELDS = {
    "name": "x", "category": "pill", "bundle": "ab" * 32, "threshold": 2.0, "fail_above": 2.0,
    "engine": "onnxruntime", "provider": "cpu", "precision": "fp32", "triggered_at": 0, "deadline_at": None,
    "decided_at": 0,
}  # fmt: skip


def count_held(thing: Any, seen: set[int] | None = None) -> int:
    """Count what is in all containers that a thing of ours holds."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, Queue | SimpleQueue):
        return thing.qsize()
    if isinstance(thing, dict):
        return len(thing) + sum(count_held(value, seen) for value in thing.values())
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return len(thing) + sum(count_held(value, seen) for value in thing)
    if hasattr(thing, "cache_info"):
        return int(thing.cache_info().currsize)
    ours = type(thing).__module__.startswith("softcore") and not isinstance(
        thing, type | DecisionRecord | PublishedDecision
    )
    return sum(count_held(value, seen) for value in vars(thing).values()) if ours else 0


def make_entries(decision: Decision = Decision.PASS) -> Iterator[DecisionRecord]:
    valid = decision is not Decision.INVALID
    more = {"score": 1.0, "bound": "exact", "milliseconds": 1.0} if valid else {"reason": "the disk is full"}
    given: Any = {"score": None, "bound": None, "milliseconds": None, "reason": None, **FIELDS, **more}
    first = DecisionRecord(trigger="t0", part="p0", camera="c0", decision=decision, **given)
    for number in range(PARTS):
        entry = copy(first)  # a tenth of the time of a new one
        vars(entry).update(trigger=f"t{number}", part=f"p{number}", camera=f"c{number % 4}")
        yield entry


def make_decided() -> Iterator[PublishedDecision]:
    for decision in (Decision.PASS, Decision.INVALID):
        for number, entry in enumerate(islice(make_entries(decision), PARTS // 2), 1):
            vars(entry).update(number=number, frame_number=number, stages={"total": 0.01})
            yield PublishedDecision(entry, None, None)


class Receiver:
    name = "receiver"
    fault: str | None = None
    taken = 0

    def deliver(self, _entry: DecisionRecord, _following: Sequence[DecisionRecord] = ()) -> None:
        self.taken += 1


def test_of_all_listeners() -> None:
    shift, events = ShiftCounter(), EventStream()
    drift, metrics = DriftMonitor(DriftOptions(), lambda *_: {}), Metrics(None)  # type: ignore[arg-type]
    cache = ImageCache(None)
    listeners: dict[Callable[[PublishedDecision], object], tuple[Any, int]] = {
        shift.count: (shift, SOME),
        lambda decided: events.publish(decided, 1, image=False): (events, 2000),
        drift.add: (drift, SOME + 4 * 200),
        metrics.count: (metrics, SOME),
        cache.add: (cache, 1000),
    }
    for decided in make_decided():
        for listener in listeners:
            listener(decided)
    for thing, most in listeners.values():
        assert count_held(thing) <= most, type(thing).__name__


def test_of_an_output_while_no_part_can_be_entered(tmp_path: Path) -> None:
    """As long as the ledger's disk is full, parts are brought ahead of it."""
    decision_log, marks, receiver = (
        DecisionLog(tmp_path / "no.ledger", 0),
        DeliveryOffsets(tmp_path / "no.ledger", "1"),
        Receiver(),
    )
    worker = DeliveryWorker(receiver, decision_log, marks)
    entries = make_entries(Decision.INVALID)
    while batch := list(islice(entries, 1000)):
        decision_log.add([], batch)
        worker.deliver_next()
    marks.close()
    assert receiver.taken == PARTS
    assert count_held(worker) <= 3 * MOST_UNENTERED + SOME  # 2 of them its own, 1 of the decision log
    assert count_held(decision_log) <= MOST_UNENTERED + SOME
