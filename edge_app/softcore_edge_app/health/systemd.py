"""Systemd: tells the service manager that the line is ready, how it is, and that it doesn't hang."""

from __future__ import annotations

import os
import threading

from softcore_runtime.missing_library import explain_import

from softcore_edge_app.pipeline.controls import Controls, Status

__all__ = ["Watchdog", "summarise_status"]

_PERIOD = 5.0  # seconds between two words where no watchdog waits for them
_HANGING = 0.2  # seconds that the line has to answer once more
_LONGEST = 400  # characters of a status


class Watchdog:
    """Speaks to systemd's notification socket (sd_notify(3)); does nothing where there is none.

    While the line says that nothing is stuck, the watchdog gets its word twice in its time; a line that
    hangs, or doesn't even answer, gets none, and systemd starts it anew.

    Args:
        controls: the line.

    Raises:
        MissingLibraryError: systemd waits for a word, and sdnotify is not installed.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._period, self._watched = _find_period()
        self._notifier = None
        if os.environ.get("NOTIFY_SOCKET"):
            try:
                from sdnotify import SystemdNotifier
            except ImportError as error:
                raise explain_import(error, "edge") from error
            self._notifier = SystemdNotifier()

    def start(self) -> None:
        """Say that the line is ready, and how it is from now on."""
        if self._notifier is None:
            return
        self._notifier.notify("READY=1")
        self._thread = threading.Thread(target=self._watch, name="systemd watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say that the line is ending; after this nothing is said."""
        if self._notifier is None:
            return
        self._over.set()
        if self._thread:
            self._thread.join(_HANGING)  # a line that hangs doesn't answer its thread either
        self._notifier.notify("STOPPING=1")
        if self._notifier.socket:
            self._notifier.socket.close()

    def _watch(self) -> None:
        while not self._over.is_set():
            status = self._controls.describe()
            words = [f"STATUS={summarise_status(status)}"]
            if self._watched and status.stuck is None:
                words.append("WATCHDOG=1")
            if self._notifier is not None:
                self._notifier.notify("\n".join(words))
            self._over.wait(self._period)


def summarise_status(status: Status) -> str:
    """Write how a line is as one short line, for `systemctl status`; ASCII, as sdnotify sends Latin-1."""
    decisions = sum(camera.decisions for camera in status.cameras)
    triggers = sum(camera.triggers for camera in status.cameras)
    faults = [f"stuck: {status.stuck}"] if status.stuck else []
    faults += [f"ledger: {status.ledger_fault}"] if status.ledger_fault else []
    faults += [f"{camera.name}: {camera.fault}" for camera in status.cameras if camera.fault]
    faults += [f"{output.name}: {output.fault}" for output in status.outputs if output.fault]
    words = "; ".join([f"{decisions} decisions of {triggers} triggers", *faults, *status.alarms])
    return " ".join(words.encode("ascii", "replace").decode().split())[:_LONGEST]


def _find_period() -> tuple[float, bool]:
    """Find how often to speak, in seconds, and whether a watchdog waits for this very process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    process = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or process not in ("", str(os.getpid())):
        return _PERIOD, False
    return min(int(microseconds) / 1e6 / 2, _PERIOD), True
