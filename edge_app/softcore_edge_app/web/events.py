"""Events: decisions, notes and status changes as server-sent events.

A slow listener misses the oldest events, and gets the number of decisions among them.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.printable import printable
from softcore_edge_app.web.part import describe_record

__all__ = ["KEPT", "EventStream"]

KEPT = 2000  # events; a listener may be so far behind, or have been away for so many
_AT_ONCE = 200  # events in one packet
_PAUSE = 0.05  # seconds between two packets: a fast line costs no more than a slow one
_PING = 15.0  # seconds without an event until a comment keeps the connection open
_MOST = 60  # listeners: the other connections are for short requests
_RETRY = 1000  # milliseconds until a browser reconnects


@dataclass(frozen=True, eq=False)
class _QueuedEvent:
    """An event.

    Attributes:
        kind: decision, note or status.
        describe: returns its fields.
        before: number of decisions before it.
        id: the trigger of a decision; None for other events.
    """

    kind: str
    describe: Callable[[], dict[str, Any]]
    before: int
    id: str | None = None

    @cached_property
    def text(self) -> bytes:
        """The event as it is sent; written once for all listeners, and only if there are any."""
        data = json.dumps(self.describe(), allow_nan=False)
        return format_sse_event(event=self.kind, data_str=data, id=self.id)


class EventStream:
    """The last events, numbered from 0; a listener is a position among them, and stores nothing.

    Attributes:
        ended: set when the server ends.
    """

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._recent: deque[_QueuedEvent] = deque(maxlen=KEPT)
        self._count = self._decisions = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[asyncio.Event] = set()
        self._woken = False

    def open(self) -> None:
        """Begin to wake listeners; called in the event loop that serves them."""
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """Send the listeners the events so far, and end; called in the event loop."""
        with self._lock:
            self._loop = None  # it may be closed when the next decision comes
        self.ended.set()
        self._wake()

    def publish(self, published: PublishedDecision, seq: int, *, image: bool) -> None:
        """Add a decision; from any thread, and never blocks.

        Args:
            published: the decision.
            seq: its number, see `ShiftCounter`.
            image: whether there is an image of it.
        """
        record = published.record
        beside = {"number": record.number, "seq": seq, "picture": image}
        name = printable(record.trigger)  # the end of a line would end the field
        with self._lock:
            self._add("decision", lambda: {**describe_record(record), **beside}, name)
            self._decisions += 1

    def publish_event(self, kind: str, fields: dict[str, Any]) -> None:
        """Add another event, a `note` or a `status`; like `publish`."""
        with self._lock:
            self._add(kind, lambda: fields)

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    @property
    def full(self) -> bool:
        """Whether there are as many listeners as allowed."""
        return len(self._listeners) >= _MOST

    def _add(self, kind: str, describe: Callable[[], dict[str, Any]], name: str | None = None) -> None:
        self._recent.append(_QueuedEvent(kind, describe, self._decisions, name))
        self._count += 1
        if self._loop is not None and self._listeners and not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake)

    def listen(self, last: str | None = None) -> AsyncIterator[bytes]:
        """Yield events from now on, or from the one after that with the id `last`; in the event loop.

        There is also the event `dropped`, with the `count` of decisions that this listener was too slow for.
        It is null if `last` isn't among the events that are kept: then all of those are sent.
        """
        with self._lock:
            if not last:
                return self._listen(self._count, self._decisions, b"")
            for newer, event in enumerate(reversed(self._recent)):
                if event.id == last:
                    return self._listen(self._count - newer, event.before + 1, b"")
            before = self._recent[0].before if self._recent else self._decisions
            return self._listen(self._count - len(self._recent), before, _format_dropped(None))

    async def _listen(self, place: int, decisions: int, greeting: bytes) -> AsyncIterator[bytes]:
        changed = asyncio.Event()
        self._listeners.add(changed)
        try:
            yield format_sse_event(retry=_RETRY) + greeting
            while True:
                changed.clear()
                dropped, events = self._read_from(place)
                place += dropped + len(events)
                if events:
                    notice = _format_dropped(events[0].before - decisions) if dropped else b""
                    decisions = events[-1].before + (events[-1].kind == "decision")
                    yield notice + b"".join(event.text for event in events)
                    await asyncio.sleep(_PAUSE)
                elif self.ended.is_set():
                    return
                else:
                    try:
                        await asyncio.wait_for(changed.wait(), _PING)
                    except asyncio.TimeoutError:
                        yield KEEPALIVE_COMMENT
        finally:
            self._listeners.discard(changed)

    def _read_from(self, place: int) -> tuple[int, list[_QueuedEvent]]:
        """Return how many events from `place` on are gone, and the next ones that are kept."""
        with self._lock:
            behind = self._count - place
            gone = max(0, behind - len(self._recent))
            start = len(self._recent) - (behind - gone)
            return gone, list(islice(self._recent, start, start + _AT_ONCE))

    def _wake(self) -> None:
        self._woken = False
        for changed in self._listeners:
            changed.set()


def _format_dropped(count: int | None) -> bytes:
    return format_sse_event(event="dropped", data_str=json.dumps({"count": count}))
