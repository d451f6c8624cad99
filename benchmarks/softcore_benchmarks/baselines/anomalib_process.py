"""anomalib's process: a worker in anomalib's own environment, which answers requests line by line.

anomalib needs other versions of libraries than SoftCore. `make anomalib` makes an environment for it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any

from softcore_runtime.errors import SoftCoreError

__all__ = ["PYTHON", "AnomalibProcess"]

PYTHON = Path(".venv-anomalib/bin/python")  # of `make anomalib`, from the project's folder
_PATIENCE = 30  # seconds until a worker that doesn't end by itself is killed


class AnomalibProcess:
    """A running worker, kept between requests, since importing anomalib takes longer than many of them.

    Args:
        python: the interpreter that has anomalib.
        worker: the script; it answers each line of standard input with a line of JSON, whose `error` is null
            or the failure in words.
        name: of the method, for messages.
        error: the class to raise.

    Raises:
        SoftCoreError: of that class, if the interpreter can't be started.
    """

    def __init__(self, python: Path, worker: Path, name: str, error: type[SoftCoreError]) -> None:
        self._name, self._error = name, error
        try:
            self._process = subprocess.Popen(
                [python, worker],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        except OSError as raised:
            raise error(f"{python}: can't be started ({raised.strerror}): make anomalib") from raised
        self._last_lines: deque[str] = deque(maxlen=20)  # that it printed
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr  # noqa: S101
        self._last_lines.extend(self._process.stderr)

    @property
    def alive(self) -> bool:
        """Whether it takes further requests."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    def request(self, line: str) -> dict[str, Any]:
        """Send a line and return the answer.

        Raises:
            SoftCoreError: of the class given; the failure, or the last line of a process that has ended.
        """
        assert self._process.stdin  # noqa: S101
        assert self._process.stdout  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
        reply = self._process.stdout.readline()
        if not reply:
            self._process.wait()
            self._listener.join()
            last = [line.strip() for line in self._last_lines if line.strip()]
            raise self._error(f"{self._name}'s process ended: {last[-1] if last else 'without a word'}")
        answer: dict[str, Any] = json.loads(reply)
        if answer["error"]:
            raise self._error(f"{self._name} failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process; kill it if it doesn't end by itself."""
        assert self._process.stdin  # noqa: S101
        assert self._process.stdout  # noqa: S101
        assert self._process.stderr  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        self._process.stderr.close()
