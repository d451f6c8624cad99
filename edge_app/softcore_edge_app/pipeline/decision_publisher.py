"""Decision publisher: enters the decisions of all cameras in the ledger, in order, and publishes them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from softcore_runtime import Decision

from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.entered import Entered
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.trigger import Decided, Trigger
from softcore_edge_app.verdict import refuse

__all__ = ["DecisionPublisher", "Listener"]

Listener = Callable[[Decided], None]

_LEAST_MARGIN = 0.002  # seconds before a deadline at which what has no decision becomes INVALID
_IDLE = 5.0  # seconds after which the ledger is looked after where there is nothing to do
_STUCK = 10.0  # seconds that a flush of the disk may take

_log = logging.getLogger(__name__)


class DecisionPublisher:
    """A thread that turns decisions into published ones.

    It takes what has its decision, all lines' in one step of the ledger, so that a slow disk costs time but
    no throughput; settles what is late, before it is entered and after; and only then tells listeners and
    outputs.

    Args:
        pipelines: whose triggers.
        writer: enters them.
        decision_log: what outputs read; None where there are none.
        listeners: told of each decision, in order; they return at once.
        on_error: called where no decision can be entered or published any more.
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
        # However slow the disk was just now, some of the time before a deadline is left for the inspection.
        deadlines = [pipeline.queue.deadline for pipeline in pipelines if pipeline.queue.deadline is not None]
        self._most_margin = 0.5 * min(deadlines, default=0.0)
        self._thread = threading.Thread(target=self._run, name="decision publisher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self) -> None:
        """Say that there may be something to do; returns at once."""
        self._called.set()

    def stop(self, seconds: float) -> None:
        """Enter what has its decision, and end."""
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
                    self._look_after()
        except (
            Exception
        ) as error:  # nothing goes on without a publisher: the process ends, and is started anew
            _log.exception("no decision can be entered any more")
            self._on_error(error)

    def _work(self) -> float | None:
        """Publish what can be, and say when something will be late."""
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
            _invalidate_late(trigger, began, self._margin)
        entered, rows = self._enter(triggers)
        # Twice the usual time of a flush, so that a decision is published before its deadline, not only made.
        usual = 0.9 * self._margin + 0.1 * 2 * (time.monotonic() - began)
        self._margin = max(min(usual, self._most_margin), _LEAST_MARGIN)
        entered, rows = self._correct_late(triggers, entered, rows)
        self._busy_since, now = None, time.monotonic()
        if self._decision_log:
            self._decision_log.add(rows, [one.entry for one in entered if one.number is None])
        for (pipeline, trigger), one in zip(collected, entered, strict=True):
            pipeline.decisions += 1
            stages = {**trigger.stages, "ledger": now - began, "total": now - trigger.at}
            valid = one.verdict.decision is not Decision.INVALID
            inspection = trigger.inspection if valid else None
            self._tell(Decided(one.entry, one.verdict, trigger.frame, inspection, stages, one.number))
        if not self._writer.fault:
            self._look_after()

    def _enter(self, triggers: list[Trigger]) -> tuple[list[Entered], list[Row]]:
        """Enter decisions; what can't be made an entry of is INVALID."""
        try:
            return self._writer.enter(triggers)
        except Exception as error:
            _log.exception("internal error on entering decisions")
            for trigger in triggers:
                _revoke(trigger, f"internal error: {type(error).__name__}: {error}")
            return self._writer.enter(triggers)

    def _correct_late(
        self, triggers: list[Trigger], entered: list[Entered], rows: list[Row]
    ) -> tuple[list[Entered], list[Row]]:
        """Make INVALID what was entered in time and can't be published in time: the flush took too long.

        To enter that takes a flush, too, after which others may be late.
        """
        while any(reasons := [_find_lateness(*pair) for pair in zip(triggers, entered, strict=True)]):
            entered, more = self._writer.correct(triggers, entered, reasons)
            rows = [*rows, *more]
        corrected = {
            entry.corrects for entry in [*(row.entry for row in rows), *(one.entry for one in entered)]
        }
        return entered, [row for row in rows if row.number not in corrected]

    def _look_after(self) -> None:
        self._busy_since = time.monotonic()
        rows = self._writer.look_after()
        self._busy_since = None
        if rows and self._decision_log:
            self._decision_log.add(rows, [])

    def _tell(self, decided: Decided) -> None:
        for listener in self._listeners:
            _call(listener, decided)


def _call(listener: Listener, decided: Decided) -> None:
    try:
        listener(decided)
    except Exception:  # one of them is broken; the decision isn't
        _log.exception("internal error on telling of trigger %s", decided.entry.trigger)


def _invalidate_late(trigger: Trigger, now: float, margin: float) -> None:
    """Make INVALID what was decided in time and can't be published in time, which takes a margin."""
    verdict = trigger.verdict
    if trigger.deadline is None or verdict is None or verdict.decision is Decision.INVALID:
        return
    if now + margin > trigger.deadline:
        _revoke(trigger, f"late: decided on, but not entered after {now - trigger.at:.2f} s")


def _find_lateness(trigger: Trigger, one: Entered) -> str | None:
    """Say that a decision is too late to be published now, or None."""
    now = time.monotonic()
    if trigger.deadline is None or now <= trigger.deadline or one.entry.decision is Decision.INVALID:
        return None
    return f"late: decided on, but entered only after {now - trigger.at:.2f} s"


def _revoke(trigger: Trigger, reason: str) -> None:
    manifest = trigger.manifest or trigger.recipe.inspector.manifest  # with which its row will be sealed
    name = trigger.verdict.name if trigger.verdict else trigger.id
    trigger.revoke(refuse(manifest.threshold, trigger.number, name, reason))
