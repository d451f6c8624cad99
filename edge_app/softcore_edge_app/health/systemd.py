"""Systemd: notifies the service manager that the line is ready, of its state, and that it doesn't hang."""

from __future__ import annotations

import os
import threading

from softcore_runtime.missing_library import explain_import

from softcore_edge_app.pipeline.controls import Controls, Status

__all__ = ["Watchdog", "summarise_status"]

_PERIOD = 5.0  # seconds between two notifications, at most
_HANGING = 0.2  # seconds that the thread has to end
_LONGEST = 400  # characters of a status


class Watchdog:
    """Writes to systemd's notification socket (sd_notify(3)); does nothing if there is none.

    While nothing in the line is stuck, the watchdog is notified twice in its time. If the line hangs, or
    doesn't answer, there is no notification, and systemd restarts it.

    Args:
        controls: the line.

    Raises:
        MissingLibraryError: systemd waits for a notification, and sdnotify is not installed.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._stopped = threading.Event()
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
        """Notify that the line is ready, and of its state from now on."""
        if self._notifier is None:
            return
        self._notifier.notify("READY=1")
        self._thread = threading.Thread(target=self._watch, name="systemd watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Notify that the line is ending; nothing follows."""
        if self._notifier is None:
            return
        self._stopped.set()
        if self._thread:
            self._thread.join(_HANGING)  # it doesn't end if the line hangs
        self._notifier.notify("STOPPING=1")
        if self._notifier.socket:
            self._notifier.socket.close()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            status = self._controls.describe()
            fields = [f"STATUS={summarise_status(status)}"]
            if self._watched and status.stuck is None:
                fields.append("WATCHDOG=1")
            if self._notifier is not None:
                self._notifier.notify("\n".join(fields))
            self._stopped.wait(self._period)


def summarise_status(status: Status) -> str:
    """Return the state of a line as a short line of ASCII (sdnotify sends Latin-1) for `systemctl status`."""
    decisions = sum(camera.decisions for camera in status.cameras)
    triggers = sum(camera.triggers for camera in status.cameras)
    faults = [f"stuck: {status.stuck}"] if status.stuck else []
    faults += [f"ledger: {status.ledger_fault}"] if status.ledger_fault else []
    faults += [f"{camera.name}: {camera.fault}" for camera in status.cameras if camera.fault]
    faults += [f"{output.name}: {output.fault}" for output in status.outputs if output.fault]
    words = "; ".join([f"{decisions} decisions of {triggers} triggers", *faults, *status.alarms])
    return " ".join(words.encode("ascii", "replace").decode().split())[:_LONGEST]


def _find_period() -> tuple[float, bool]:
    """Return the seconds between two notifications, and whether a watchdog waits for this process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    process = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or process not in ("", str(os.getpid())):
        return _PERIOD, False
    return min(int(microseconds) / 1e6 / 2, _PERIOD), True
