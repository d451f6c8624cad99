"""Soak of the operator's page: how much it grows, and which decisions it misses, while parts keep coming.

    python -m softcore_benchmarks.line.page_soak --url http://127.0.0.1:8765/ --minutes 5

Opens the page of a running line in Debian's Chromium, measures it after a minute (or a fifth of a shorter
time) and at the end, and prints one JSON object. `python -m tests.edge_app.web.stub_line --rate 10` starts a
line whose parts need no inspection.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from playwright.sync_api import CDPSession, Page, sync_playwright
from softcore_runtime.cli.command_line import run
from softcore_runtime.errors import UsageError

from softcore_benchmarks.measuring.commands import make_parser

__all__ = ["PageState", "soak"]

PANEL = (1024, 600)  # pixels
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

# The modules that the page loaded, not other copies.
_BEGIN = """async () => {
  const { line, eventStream } = await import("/static/event_stream.js");
  window.soak = { line, came: new Set() };
  eventStream.addEventListener("decision", ({ detail }) => window.soak.came.add(detail.seq));
}"""
# lost: decisions missing between the first and the last that came; off: difference of the counts from the
# line's.
_POLL = """async () => {
  const { line, came } = window.soak;
  const sum = (counts) => Object.values(counts).reduce((total, n) => total + n, 0);
  const { shift } = await (await fetch("api/status")).json();
  const last = Math.max(...came);
  const ahead = [...came].filter((seq) => seq > shift.seq).length;
  const behind = Math.max(0, shift.seq - last);
  return {
    came: came.size,
    lost: last - Math.min(...came) + 1 - came.size,
    off: sum(line.tally.count()) - (sum(shift.counts) + ahead - behind),
  };
}"""


@dataclass(frozen=True)
class PageState:
    """State of the page at one moment.

    Attributes:
        seconds: since the page was open.
        heap_mb: heap of its scripts after a collection, in 10**6 bytes.
        nodes: nodes of the document, with those that are detached and not collected.
        listeners: number of event listeners.
        came: number of decisions that came as events.
        lost: number of decisions missing among them.
        off: difference of its counts from the line's.
    """

    seconds: float
    heap_mb: float
    nodes: int
    listeners: int
    came: int
    lost: int
    off: int


def soak(url: str, seconds: float) -> tuple[PageState, PageState]:
    """Measure a line's page early and after some time.

    Raises:
        UsageError: there is no Chromium, or the page can't be reached.
    """
    chromium = shutil.which("chromium")
    if not chromium:
        raise UsageError("there is no chromium here; install Debian's")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport={"width": PANEL[0], "height": PANEL[1]})
        try:
            page.goto(url)
        except Exception as error:
            raise UsageError(f"{url}: can't be reached; is the line running, with its port there?") from error
        page.locator(":is(#band, #overview button):not([data-decision=none]):visible").first.wait_for()
        page.evaluate(_BEGIN)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        start = time.monotonic()
        states = []
        for moment in (min(60.0, seconds / 5), seconds):
            page.wait_for_timeout(max(0.0, 1000 * (start + moment - time.monotonic())))
            states.append(_measure_page(page, session, start))
        browser.close()
    return states[0], states[1]


def _measure_page(page: Page, session: CDPSession, start: float) -> PageState:
    counted = page.evaluate(_POLL)
    session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return PageState(
        seconds=round(time.monotonic() - start, 1),
        heap_mb=round(found["JSHeapUsedSize"] / 1e6, 3),
        nodes=int(found["Nodes"]),
        listeners=int(found["JSEventListeners"]),
        **counted,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_parser("line.page_soak", __doc__)
    parser.add_argument("--url", required=True, help="of the line's page")
    parser.add_argument("--minutes", type=float, default=5.0)
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    early, late = soak(options.url, 60 * options.minutes)
    print(json.dumps({"early": asdict(early), "late": asdict(late)}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
