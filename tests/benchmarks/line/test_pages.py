from __future__ import annotations

import time

import pytest
from softcore_benchmarks.line.pages import browse

from tests.edge_app.web.stub_line import StubLine


def test_pages_follow_the_events_and_fetch_the_newest_parts() -> None:
    """Until the line ends."""
    with StubLine(rate=20.0) as back, browse(back.url, 2):
        until = time.monotonic() + 30
        while len(set(back.fetched)) < 4:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_pages_that_cannot_be_opened() -> None:
    with pytest.raises(RuntimeError, match="can't be opened"), browse("http://127.0.0.1:9/", 1):
        pass
