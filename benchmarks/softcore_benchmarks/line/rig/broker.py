"""Broker: Debian's mosquitto on a port of its own, which can be killed and started again."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from softcore_runtime.errors import UsageError

from softcore_benchmarks.line.rig.ports import find_free_port

__all__ = ["Broker", "find_mosquitto"]

WAIT = 30  # seconds until a start has failed


def find_mosquitto() -> str | None:
    """Return the path of the program, or None; Debian installs it in /usr/sbin."""
    return shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")


class Broker:
    """A running mosquitto that keeps its state in a folder; a context manager that ends it.

    Args:
        folder: an empty folder of its own.
        lines: of its configuration, in place of `allow_anonymous true`.
        tls: lines for its port; clients must use TLS then.

    Raises:
        UsageError: there is no mosquitto.
    """

    def __init__(
        self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",), tls: Sequence[str] = ()
    ) -> None:
        program = find_mosquitto()
        if not program:
            raise UsageError("there is no mosquitto here; install Debian's")
        self.port = find_free_port()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        configuration = [
            f"user {getpass.getuser()}",
            f"listener {self.port} 127.0.0.1",
            *tls,
            *lines,
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
        ]
        (folder / "mosquitto.conf").write_text("\n".join(configuration) + "\n")
        self._command = [program, "-c", str(folder / "mosquitto.conf"), "-v"]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it with the state that it kept, and return when it takes connections.

        Raises:
            RuntimeError: it doesn't start.
        """
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        ends = time.monotonic() + WAIT
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"mosquitto doesn't start: {self.log[-500:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._send_and_wait(signal.SIGKILL)

    def stop(self) -> None:
        """End it by SIGTERM."""
        self._send_and_wait(signal.SIGTERM)

    def freeze(self) -> None:
        """Suspend it: connections stay, and the kernel takes new ones."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Delete the state that it kept; only while it isn't running."""
        (self.folder / "mosquitto.db").unlink(missing_ok=True)

    @property
    def log(self) -> str:
        """Its log, over all its starts."""
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Broker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _send_and_wait(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(WAIT)
            self._process = None
