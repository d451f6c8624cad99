"""Load: triggers for both cameras of a rig, as fast as decisions arrive."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from softcore_benchmarks.line.rig.rig import Rig

__all__ = ["load"]

_MAX_OPEN = 2  # triggers without a decision
_TIMEOUT = 0.1  # seconds without a decision after which a trigger is sent anyway
_BY_HTTP = 0.2  # seconds between two triggers over HTTP


@contextmanager
def load(rig: Rig) -> Iterator[None]:
    """Trigger inside the block: the left camera by the broker and over HTTP, the right one by the PLC."""
    over = threading.Event()
    threads = [
        threading.Thread(target=work, args=[rig, over]) for work in (_trigger_by_broker, _trigger_by_http)
    ]
    rig.plc.parts = 10**9
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        rig.plc.parts = 0


def _trigger_by_broker(rig: Rig, over: threading.Event) -> None:
    """Trigger as fast as decisions arrive, and every `_TIMEOUT` seconds where none do."""
    number, newest, moved = 0, 0, monotonic()
    while not over.wait(0.001):
        now = monotonic()
        if rig.watcher.newest != newest:
            newest, moved = rig.watcher.newest, now
        if number < newest + _MAX_OPEN or now - moved > _TIMEOUT:
            number, moved = number + 1, now
            rig.watcher.trigger("left", f"m{number}")


def _trigger_by_http(rig: Rig, over: threading.Event) -> None:
    number = 0
    while not over.wait(_BY_HTTP):
        number += 1
        rig.request("api/trigger", {"camera": "left", "part": f"h{number}"})
