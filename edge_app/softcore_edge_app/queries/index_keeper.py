"""Index keeper: brings a ledger's index up to date beside the line, in processes of the lowest priority.

python -m softcore_edge_app.queries.index_keeper line1.ledger
"""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from softcore_edge_app.queries.part_index import build_index, count_behind, remove_index
from softcore_edge_app.queries.part_search import PartSearch

__all__ = ["IndexKeeper", "main"]

_POLL = 5.0  # seconds between two looks at how far the index is behind
_PAUSE = 300.0  # seconds after an index that can't be written
_END_WITHIN = 0.5  # seconds

_log = logging.getLogger(__name__)


class IndexKeeper:
    """Keeps the index of a ledger from a thread of its own, which only waits.

    The work is done in a process: in this one it would take turns with the inspection.

    Args:
        ledger: the ledger's file.
        search: who uses the index.
    """

    def __init__(self, ledger: Path, search: PartSearch) -> None:
        self._ledger, self._search = ledger, search
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; a missing index is made at once."""
        self._thread = threading.Thread(target=self._keep, name="softcore index", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End within half a second; an index that is being made stays as far as it is."""
        self._ended.set()
        if self._thread:
            self._thread.join(_END_WITHIN)

    def _keep(self) -> None:
        while not self._ended.is_set():
            fault = self._extend()
            if fault:
                _log.warning("%s: its index can't be written (%s); searches take longer", self._ledger, fault)
            self._ended.wait(_PAUSE if fault else _POLL)

    def _extend(self) -> str | None:
        """Bring the index up to date if it is behind; return why that can't be done, or None."""
        damaged = self._search.damaged
        try:
            if damaged:
                remove_index(self._ledger)
            elif not count_behind(self._ledger):
                return None
        except OSError as error:
            return str(error)
        except (sqlite3.Error, TypeError):  # no ledger can be read, which the page says by itself
            return None
        command = [sys.executable, "-m", __name__, str(self._ledger)]
        try:  # in a session of its own: Ctrl-C is for the line
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True, start_new_session=True,
            )  # fmt: skip
        except OSError as error:  # no memory or process is left
            return str(error)
        with process:
            while process.poll() is None:
                if self._ended.wait(0.1):
                    process.kill()
            said = process.stderr.read().strip() if process.stderr else ""
        if process.returncode == 0:
            if damaged:
                self._search.damaged = False
        elif not self._ended.is_set():
            return said or f"exit code {process.returncode}"
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the index of a ledger up to date; return the exit code."""
    (ledger,) = sys.argv[1:] if arguments is None else arguments
    with suppress(OSError):
        os.nice(19)
    try:
        build_index(Path(ledger))
    except (sqlite3.Error, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
