"""Clerk: enters the decisions of all lines in the ledger, in order and in time, and publishes them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from softcore_runtime import Decision

from softcore_edge_app.delivery.feed import Feed
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.line.bookkeeper import Bookkeeper, Entered
from softcore_edge_app.line.line import Line
from softcore_edge_app.line.trigger import Decided, Trigger
from softcore_edge_app.verdict import refuse

__all__ = ["Clerk", "Listener"]

Listener = Callable[[Decided], None]

_LEAST_MARGIN = 0.002  # seconds before a deadline at which what has no decision becomes INVALID
_STUCK = 10.0  # seconds that a flush of the disk may take

_log = logging.getLogger(__name__)


class Clerk:
    """A thread that turns decisions into published ones.

    It takes what has its decision, all lines' in one step of the ledger, so that a slow disk costs time but
    no throughput; settles what is late; and only then tells listeners and outputs.

    Args:
        lines: whose triggers.
        book: enters them.
        feed: what outputs read; None where there are none.
        listeners: told of each decision, in order; they return at once.
        on_error: called where no decision can be entered or published any more.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        book: Bookkeeper,
        feed: Feed | None,
        listeners: Sequence[Listener],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._lines, self._book, self._feed, self._listeners = lines, book, feed, listeners
        self._on_error = on_error
        self._called = threading.Event()
        self._ending = False
        self._margin = _LEAST_MARGIN
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)

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
                self._called.wait(None if due is None else max(due - self._margin - time.monotonic(), 0))
        except Exception as error:  # nothing goes on without a clerk: the process ends, and is started anew
            _log.exception("no decision can be entered any more")
            self._on_error(error)

    def _work(self) -> float | None:
        """Publish what can be, and say when something will be late."""
        ahead = time.monotonic() + self._margin
        dues = [line.queue.expire(ahead) for line in self._lines]
        collected = [(line, trigger) for line in self._lines for trigger in line.queue.collect()]
        if collected:
            self._publish(collected)
        return min((due for due in dues if due is not None), default=None)

    def _publish(self, collected: list[tuple[Line, Trigger]]) -> None:
        triggers = [trigger for _, trigger in collected]
        self._busy_since = began = time.monotonic()
        for trigger in triggers:
            _invalidate_late(trigger, began + self._margin)
        entered, rows = self._enter(triggers)
        self._busy_since, now = None, time.monotonic()
        # Twice the usual time of a flush, so that a decision is published before its deadline, not only made.
        self._margin = max(0.9 * self._margin + 0.1 * 2 * (now - began), _LEAST_MARGIN)
        if self._feed:
            self._feed.add(rows, [one.entry for one in entered if one.number is None])
        for (line, trigger), one in zip(collected, entered, strict=True):
            line.decisions += 1
            stages = {**trigger.stages, "ledger": now - began, "total": now - trigger.at}
            valid = one.verdict.decision is not Decision.INVALID
            inspection = trigger.inspection if valid else None
            self._tell(Decided(one.entry, one.verdict, trigger.frame, inspection, stages, one.number))

    def _enter(self, triggers: list[Trigger]) -> tuple[list[Entered], list[Row]]:
        """Enter decisions; what can't be made an entry of is INVALID."""
        try:
            return self._book.enter(triggers)
        except Exception as error:
            _log.exception("internal error on entering decisions")
            for trigger in triggers:
                _revoke(trigger, f"internal error: {type(error).__name__}: {error}")
            return self._book.enter(triggers)

    def _tell(self, decided: Decided) -> None:
        for listener in self._listeners:
            _call(listener, decided)


def _call(listener: Listener, decided: Decided) -> None:
    try:
        listener(decided)
    except Exception:  # one of them is broken; the decision isn't
        _log.exception("internal error on telling of trigger %s", decided.entry.trigger)


def _invalidate_late(trigger: Trigger, now: float) -> None:
    """Make INVALID what was decided in time but could not be published in time."""
    verdict = trigger.verdict
    if trigger.deadline is None or verdict is None or verdict.decision is Decision.INVALID:
        return
    if now > trigger.deadline:
        _revoke(trigger, f"late: decided on, but not entered after {now - trigger.at:.2f} s")


def _revoke(trigger: Trigger, reason: str) -> None:
    manifest = trigger.manifest or trigger.recipe.inspector.manifest  # with which its row will be sealed
    name = trigger.verdict.name if trigger.verdict else trigger.id
    trigger.revoke(refuse(manifest.threshold, trigger.number, name, reason))
