"""Rig: a `softcore-edge` process with two cameras, a broker and a PLC."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softcore_benchmarks.line.rig.broker import Broker
from softcore_benchmarks.line.rig.plc import Plc
from softcore_benchmarks.line.rig.ports import find_free_port
from softcore_benchmarks.line.rig.stream import Stream
from softcore_benchmarks.line.rig.watcher import Watcher

__all__ = ["Plan", "Rig"]

_WAIT = 120  # seconds for a start

_CONFIGURATION = """\
ledger = "{folder}/line.ledger"
log = "json"
engine = "{engine}"

[cameras.left]
source = "{left}"
recipes = {{ first = "{first}", second = "{second}" }}
trigger = "external"
deadline = {deadline}
queue = {queue}
frozen_after = 0.5

[cameras.right]
source = "{right}"
bundle = "{first}"
trigger = "external"
deadline = {deadline}
queue = {queue}
frozen_after = 0.5

[mqtt]
host = "127.0.0.1"
port = {broker}

[modbus]
host = "127.0.0.1"
port = {plc}
camera = "right"
poll = 0.002

[http]
port = {port}
token_file = "{folder}/token"

[archive]
folder = "{archive}"
max_gigabytes = 0.05
"""


@dataclass(frozen=True, eq=False)
class Plan:
    """Configuration of a rig.

    Attributes:
        first, second: two bundles of one product.
        image: shown to the cameras, uint8 BGR `[H, W, 3]`.
        rate: frames a second.
        archive: folder of the archived images.
        engine: as for `softcore-edge`.
        deadline: seconds within which a trigger must have its decision.
        queue: number of triggers that may wait.
    """

    first: Path
    second: Path
    image: NDArray[np.uint8]
    rate: int
    archive: Path
    engine: str = "auto"
    deadline: float = 1.0
    queue: int = 16


class Rig:
    """A context manager that starts cameras, broker and PLC, and ends them and the line.

    Args:
        folder: an empty folder, for the ledger, the log and the printed decisions.
        plan: its configuration.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.token = secrets.token_hex(16)
        self.port = find_free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        folder, plan = self.folder, self.plan
        with ExitStack() as stack:
            self.left = Stream(folder / "left", plan.image, plan.rate)
            stack.callback(self.left.close)
            self.right = Stream(folder / "right", plan.image, plan.rate)
            stack.callback(self.right.close)
            self.broker = stack.enter_context(Broker(folder / "broker"))
            self.watcher = Watcher(self.broker.port)
            stack.callback(self.watcher.close)
            self.plc = Plc(scan=0.001, window=3)
            self.plc.start()
            stack.callback(self.plc.stop)
            token = folder / "token"
            token.touch(0o600)
            token.write_text(self.token)
            (folder / "line.toml").write_text(
                _CONFIGURATION.format(
                    folder=folder, left=self.left.address, right=self.right.address, first=plan.first,
                    second=plan.second, broker=self.broker.port, plc=self.plc.port, port=self.port,
                    archive=plan.archive, engine=plan.engine, deadline=plan.deadline, queue=plan.queue,
                )
            )  # fmt: skip
            stack.callback(self.kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self) -> float:
        """Start the line and return the seconds until it was ready.

        Raises:
            TimeoutError: it doesn't become ready.
        """
        command = [
            str(Path(sys.executable).with_name("softcore-edge")),
            "--config",
            f"{self.folder}/line.toml",
        ]
        began = time.monotonic()
        with (self.folder / "out").open("ab") as out, (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=out, stderr=log)
        while not self.request("readyz"):
            process = self.process
            if process is None or process.poll() is not None or time.monotonic() > began + _WAIT:
                raise TimeoutError(f"the line doesn't start: {self.log[-2000:]}")
            time.sleep(0.02)
        return time.monotonic() - began

    def request(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request to the line and return its answer from JSON; None if it refuses or doesn't answer.

        Args:
            path: of the URL.
            body: sent as JSON; None sends a GET request.
        """
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
                return json.loads(answer.read())
        except OSError:
            return None

    def end(self, how: signal.Signals = signal.SIGTERM) -> float:
        """End the line by a signal and return the seconds until it had ended."""
        if self.process is None:
            return 0.0
        began, process = time.monotonic(), self.process
        process.send_signal(how)
        process.wait(60)
        self.process = None
        return time.monotonic() - began

    def kill(self) -> None:
        """End the line by SIGKILL."""
        self.end(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Number of the line's process."""
        if self.process is None:
            raise RuntimeError("the line wasn't started")
        return self.process.pid

    @property
    def log(self) -> str:
        """The line's log on standard error."""
        return (self.folder / "log").read_text(errors="replace")
