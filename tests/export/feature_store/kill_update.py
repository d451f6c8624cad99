"""Driver: updates a bundle in a process that kills itself after so many seconds.

Run by `test_update.py`. Prints how long the update took, if it wasn't killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import softcore_export.export  # noqa: F401 - before the time is taken
from softcore_export.cli.command import main

from tests.network_files import keep_networks

if __name__ == "__main__":
    networks, seconds, bundle, new = sys.argv[1:]
    with keep_networks(Path(networks)):
        killer = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL))
        killer.daemon = True
        killer.start()
        start = time.monotonic()
        code = main(["--update", bundle, "--good", new])
        sys.stdout.write(f"{time.monotonic() - start}\n")
    sys.exit(code)
