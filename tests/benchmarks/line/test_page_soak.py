from __future__ import annotations

import shutil

import pytest
from softcore_benchmarks.line.page_soak import soak
from softcore_runtime.errors import UsageError

from tests.edge_app.web.stub_line import StubLine

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: apt install chromium")


def test_a_page_is_looked_at_twice() -> None:
    with StubLine(rate=20.0) as back:
        early, late = soak(back.url, 3.0)
    assert 0 < early.came < late.came
    assert early.seconds < late.seconds
    assert (late.lost, late.off) == (0, 0)
    assert 0.5 < late.heap_mb < 50
    assert 500 < late.nodes < 5000


def test_what_is_lost_is_seen() -> None:
    with StubLine(rate=20.0) as back:
        told = back.decide
        back.decide = lambda **options: told(send=back.seq % 5 != 0, **options)  # type: ignore[method-assign]
        _, late = soak(back.url, 3.0)
    assert late.lost > 5
    assert abs(late.off) <= 1  # the counts are right all the same, but for a decision that is under way


def test_a_line_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:9/: can't be reached"):
        soak("http://127.0.0.1:9/", 1.0)
