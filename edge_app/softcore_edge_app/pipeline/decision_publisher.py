"""Decision publisher: enters the decisions of all cameras in the ledger, in order, and publishes them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from softcore_runtime import Decision

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.trigger import Trigger

__all__ = ["DecisionPublisher", "Listener"]

Listener = Callable[[PublishedDecision], None]

_LEAST_MARGIN = 0.002  # seconds before a deadline at which a trigger without a decision becomes INVALID
_IDLE = 5.0  # seconds without decisions after which the ledger is maintained
_STUCK = 10.0  # seconds that a flush of the disk may take

_log = logging.getLogger(__name__)


class DecisionPublisher:
    """A thread that publishes decisions.

    It enters the decisions of all cameras in one step of the ledger, so that a slow disk costs time but no
    throughput. What is late becomes INVALID, before it is entered and after. Only then listeners and outputs
    get the decisions.

    Args:
        pipelines: the cameras whose triggers are collected.
        writer: enters their decisions.
        decision_log: what outputs read; None if there are none.
        listeners: called with each decision, in order; they return at once.
        on_error: called when no decision can be entered or published any more.
    """

    def __init__(
        self,
        pipelines: Sequence[CameraPipeline],
        writer: LedgerWriter,
        decision_log: DecisionLog | None,
        listeners: Sequence[Listener],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._pipelines, self._writer, self._decision_log, self._listeners = (
            pipelines,
            writer,
            decision_log,
            listeners,
        )
        self._on_error = on_error
        self._called = threading.Event()
        self._ending = False
        self._margin = _LEAST_MARGIN
        self._busy_since: float | None = None
        # However slow the disk was, some of the time before a deadline is left for the inspection.
        deadlines = [pipeline.queue.deadline for pipeline in pipelines if pipeline.queue.deadline is not None]
        self._most_margin = 0.5 * min(deadlines, default=0.0)
        self._thread = threading.Thread(target=self._run, name="decision publisher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self) -> None:
        """Wake the thread: there may be something to do. Returns at once."""
        self._called.set()

    def stop(self, seconds: float) -> None:
        """Enter the decisions that were made, and end."""
        self._ending = True
        self.call()
        self._thread.join(seconds)

    @property
    def stuck(self) -> str | None:
        """What hangs, in plain words, or None."""
        since = self._busy_since
        if since is None or time.monotonic() - since < _STUCK:
            return None
        return f"the ledger's disk has not answered for {time.monotonic() - since:.0f} s"

    def _run(self) -> None:
        try:
            while True:
                ending = self._ending
                self._called.clear()
                due = self._work()
                if ending:
                    return
                wait = _IDLE if due is None else max(due - self._margin - time.monotonic(), 0)
                if not self._called.wait(min(wait, _IDLE)) and wait >= _IDLE:
                    self._maintain_ledger()
        except (
            Exception
        ) as error:  # the line can't go on without a publisher: the process ends, and is started anew
            _log.exception("no decision can be entered any more")
            self._on_error(error)

    def _work(self) -> float | None:
        """Publish what can be published, and return when the next trigger will be late."""
        ahead = time.monotonic() + self._margin
        dues = [pipeline.queue.expire(ahead) for pipeline in self._pipelines]
        collected = [
            (pipeline, trigger) for pipeline in self._pipelines for trigger in pipeline.queue.collect()
        ]
        if collected:
            self._publish(collected)
        return min((due for due in dues if due is not None), default=None)

    def _publish(self, collected: list[tuple[CameraPipeline, Trigger]]) -> None:
        triggers = [trigger for _, trigger in collected]
        self._busy_since = began = time.monotonic()
        for trigger in triggers:
            _revoke_late(trigger, began, self._margin)
        records, rows = self._enter(triggers)
        # Twice the usual time of a flush, so that decisions are published, and not only made, in time.
        usual = 0.9 * self._margin + 0.1 * 2 * (time.monotonic() - began)
        self._margin = max(min(usual, self._most_margin), _LEAST_MARGIN)
        records, rows = self._correct_late(triggers, records, rows)
        self._busy_since, now = None, time.monotonic()
        if self._decision_log:
            self._decision_log.add(rows, [record for record in records if record.number is None])
        for (pipeline, trigger), record in zip(collected, records, strict=True):
            pipeline.decisions += 1
            stages = {**trigger.stages, "ledger": now - began, "total": now - trigger.at}
            has_map = record.decision is not Decision.INVALID and trigger.has_map
            result = trigger.result if has_map else None
            self._call_listeners(PublishedDecision(replace(record, stages=stages), trigger.frame, result))
        if not self._writer.fault:
            self._maintain_ledger()

    def _enter(self, triggers: list[Trigger]) -> tuple[list[DecisionRecord], list[Row]]:
        """Enter decisions; if that fails for an internal error they are all INVALID."""
        try:
            return self._writer.enter(triggers)
        except Exception as error:
            _log.exception("internal error on entering decisions")
            for trigger in triggers:
                trigger.revoke("internal", f"{type(error).__name__}: {error}")
            return self._writer.enter(triggers)

    def _correct_late(
        self, triggers: list[Trigger], records: list[DecisionRecord], rows: list[Row]
    ) -> tuple[list[DecisionRecord], list[Row]]:
        """Make decisions INVALID that were entered in time and are late now: the flush took too long.

        To enter that takes another flush, after which others may be late.
        """
        while any(lateness := [_find_lateness(*pair) for pair in zip(triggers, records, strict=True)]):
            records, more = self._writer.correct(triggers, records, lateness)
            rows = [*rows, *more]
        corrected = {record.corrects for record in [*(row.record for row in rows), *records]}
        return records, [row for row in rows if row.number not in corrected]

    def _maintain_ledger(self) -> None:
        self._busy_since = time.monotonic()
        rows = self._writer.maintain()
        self._busy_since = None
        if rows and self._decision_log:
            self._decision_log.add(rows, [])

    def _call_listeners(self, published: PublishedDecision) -> None:
        for listener in self._listeners:
            _call(listener, published)


def _call(listener: Listener, published: PublishedDecision) -> None:
    try:
        listener(published)
    except Exception:  # one of them is broken; the decision isn't
        _log.exception("internal error on telling of trigger %s", published.record.trigger)


def _revoke_late(trigger: Trigger, now: float, margin: float) -> None:
    """Make a trigger INVALID that was decided in time, but can't be published in time with its margin."""
    if trigger.deadline is not None and trigger.result is not None and now + margin > trigger.deadline:
        trigger.revoke("late", f"decided on, but not entered after {now - trigger.at:.2f} s")


def _find_lateness(trigger: Trigger, record: DecisionRecord) -> str | None:
    """Return why a decision is too late to be published now, or None."""
    now = time.monotonic()
    if trigger.deadline is None or now <= trigger.deadline or record.decision is Decision.INVALID:
        return None
    return f"decided on, but entered only after {now - trigger.at:.2f} s"
