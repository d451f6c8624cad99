"""Pages: the requests of browsers with the operator's page open, without the browsers.

    python -m softcore_benchmarks.line.pages --url http://127.0.0.1:8765/ --pages 5

Each follows the events and fetches the newest part's image as often as the page does, until it is ended.
Prints "open" for each page that is open.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
from softcore_runtime.cli.command_line import run

from softcore_benchmarks.measuring.commands import make_parser

__all__ = ["browse", "main", "open_pages"]

_TRIGGER = re.compile(rb'"trigger": "([^"]+)"')
_PAUSE = 0.25  # seconds between two images, as in image.js


@contextmanager
def browse(url: str, pages: int) -> Iterator[None]:
    """Keep so many pages of a line open in a process of their own.

    Raises:
        RuntimeError: they can't be opened.
    """
    command = [sys.executable, "-m", "softcore_benchmarks.line.pages", "--url", url, "--pages", str(pages)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            for _ in range(pages):
                if process.stdout is None or not process.stdout.readline():
                    raise RuntimeError(f"{url}: the pages can't be opened")
            yield
        finally:
            process.kill()


async def open_pages(url: str, pages: int) -> None:
    """Open so many pages of a line and return when the line has ended."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await asyncio.gather(*(_follow_events(client) for _ in range(pages)), return_exceptions=True)


async def _follow_events(client: httpx.AsyncClient) -> None:
    heard = [b""]  # the last packet, parsed only when an image is due: a browser would have its own cores
    fetching = asyncio.create_task(_fetch_images(client, heard))
    try:
        async with client.stream("GET", "api/events") as events:
            print("open", flush=True)
            async for packet in events.aiter_raw():
                heard[0] = packet
    finally:
        fetching.cancel()


async def _fetch_images(client: httpx.AsyncClient, heard: list[bytes]) -> None:
    shown = b""
    while True:
        newest = _TRIGGER.findall(heard[0])
        if newest and newest[-1] != shown:
            shown = newest[-1]
            await client.get(f"api/pictures/{shown.decode()}/overlay")
        await asyncio.sleep(_PAUSE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_parser("line.pages", __doc__)
    parser.add_argument("--url", required=True, help="of the line's page")
    parser.add_argument("--pages", type=int, default=5, metavar="N", help="how many (5)")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    asyncio.run(open_pages(options.url, options.pages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
