"""anomalib's process: a worker that runs in anomalib's own environment and is asked line by line.

anomalib needs versions of the libraries that are not ours, so it is installed apart (`make anomalib`).
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
_PATIENCE = 30  # seconds that a worker is given to end by itself


class AnomalibProcess:
    """A running worker: importing anomalib takes longer than many a job.

    Args:
        python: the interpreter that has anomalib.
        worker: the script; it answers each line of standard input with a line of JSON, whose `error` is null
            or says what went wrong.
        name: of what it does, for messages.
        error: the kind to raise.
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
        self._words: deque[str] = deque(maxlen=20)  # the last of what it prints
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr  # noqa: S101
        self._words.extend(self._process.stderr)

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process, to be watched."""
        return self._process.pid

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and wait for the answer.

        Raises:
            SoftCoreError: of the kind given; what went wrong, or the last words of a process that ended.
        """
        assert self._process.stdin  # noqa: S101
        assert self._process.stdout  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
        reply = self._process.stdout.readline()
        if not reply:
            self._process.wait()
            self._listener.join()
            words = [line.strip() for line in self._words if line.strip()]
            raise self._error(f"{self._name}'s process ended: {words[-1] if words else 'without a word'}")
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
