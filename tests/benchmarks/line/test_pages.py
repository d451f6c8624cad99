from __future__ import annotations

import subprocess
import sys
import time

from tests.edge_app.web.page_back import PageBack


def test_pages_follow_the_events_and_fetch_the_newest_parts() -> None:
    """Until the line ends."""
    with PageBack(rate=20.0) as back:
        command = [sys.executable, "-m", "softcore_benchmarks.line.pages", "--url", back.url, "--pages", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert [process.stdout.readline() for _ in range(2)] == ["open\n"] * 2
            until = time.monotonic() + 30
            while len(set(back.fetched)) < 4:
                assert time.monotonic() < until
                time.sleep(0.05)
            process.kill()
