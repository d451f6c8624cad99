"""Prepare command: `softcore-edge prepare`, which makes a bundle ready for this machine."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from softcore_runtime.cli.bundle_choice import choose_bundle
from softcore_runtime.cli.command_line import Parser
from softcore_runtime.cli.option_groups import add_engine_options
from softcore_runtime.inspection.preparation import Preparation, prepare
from softcore_runtime.inspection.self_test import largest_difference

__all__ = ["add_command"]

_DESCRIPTION = """\
Make a bundle ready for this machine, once: let TensorRT build its engines for the GPU that is here (minutes;
they are kept in the bundle, and built anew for another GPU, driver or library), inspect the golden frames
and compare their scores with the export's, and measure where the memory bank is searched faster. A golden
frame that is decided otherwise than at export is an error. Without a GPU only the scores are compared."""

_EPILOG = """\
exit codes:
  0  ready, 2  a mistake in the command, or the provider can't compute here, 3  a fault of the bundle, or a
  golden frame is decided otherwise"""


def add_command(commands: Parser) -> None:
    """Add `prepare` to the commands of `softcore-edge`."""
    parser = commands.add_command(
        "prepare", "make a bundle ready for this machine's GPU, once", _DESCRIPTION, _EPILOG, work=_work
    )
    parser.add_argument("bundle", nargs="?", metavar="BUNDLE", help="as for softcore-edge")
    add_engine_options(parser, engine="what runs the network", provider="what will compute")


def _work(options: argparse.Namespace) -> None:
    path = choose_bundle(options.bundle)
    with _count_seconds(f"preparing {path}"):
        done = prepare(path, engine=options.engine, provider=options.provider)
    print(f"{path}: {done.inspector.network}")
    for line in _describe(done):
        print(f"  {line}")


def _describe(done: Preparation) -> Iterator[str]:
    backbone = done.inspector.backbone
    if backbone.device:
        yield f"device     {backbone.device}"
    if backbone.engine_folder:
        yield f"engines    {backbone.engine_folder}, open after {done.seconds:.1f} s"
    yield (
        f"parity     {len(done.golden)} of {len(done.golden)} golden frames are decided as at export; "
        f"largest relative difference {largest_difference(done.golden):.1e}"
    )
    if done.search:
        faster = "GPU" if done.search.graph < done.search.hnsw else "host"
        yield (
            f"search     on the {faster}: {done.search.graph:.2f} ms a frame on the GPU, "
            f"{done.search.hnsw:.2f} ms by HNSW on the host"
        )
    if done.inspector.remark:
        yield f"threshold  {done.inspector.remark}"


@contextmanager
def _count_seconds(what: str) -> Iterator[None]:
    """Count the seconds on standard error while the block runs; TensorRT reports no progress."""
    start, done = time.monotonic(), threading.Event()
    shown = sys.stderr is not None and sys.stderr.isatty()

    def count() -> None:
        while not done.wait(1):
            print(f"\r{what} ... {time.monotonic() - start:.0f} s", end="", file=sys.stderr, flush=True)

    if not shown:
        print(f"{what} ...", file=sys.stderr)
        yield
        return
    counter = threading.Thread(target=count, daemon=True)
    counter.start()
    try:
        yield
    finally:
        done.set()
        counter.join()
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
