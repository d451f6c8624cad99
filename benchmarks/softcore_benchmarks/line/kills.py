"""Kills: `kill -9` of a whole line at random moments; the ledger must hold every decision that was published.

    python -m softcore_benchmarks.line.kills --bundle bundles/pill --image good.png --out benchmarks

Writes results/line_kills.json into --out; the exit code is 1 where a decision was lost, or differs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_runtime import read_image
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track

from softcore_benchmarks.line.rig.rig import Plan, Rig
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.results import print_results

__all__ = ["Losses", "kill_again_and_again", "main"]


@dataclass
class Losses:
    """What was found.

    Attributes:
        wrong: failed checks, in words; empty is good.
        kills: number of kills.
        rows: number of rows in the ledger.
        by_broker: number of decisions that the broker delivered.
        by_plc: number of decisions that the PLC took.
        printed: number of decisions on standard output.
    """

    wrong: list[str] = field(default_factory=list)
    kills: int = 0
    rows: int = 0
    by_broker: int = 0
    by_plc: int = 0
    printed: int = 0


def kill_again_and_again(rig: Rig, kills: int, seed: int) -> Losses:
    """Start and kill a line again and again; the last start runs until the backlog is delivered.

    Args:
        rig: entered, and not started.
        kills: number of kills.
        seed: of the moments.
    """
    losses, rng, over = Losses(), np.random.default_rng(seed), threading.Event()
    rig.plc.parts = 10**9
    triggering = threading.Thread(target=_trigger, args=[rig, over])
    triggering.start()
    try:
        ready = rig.start()
        rig.kill()
        for _ in track(range(kills), "kills"):
            started = threading.Thread(target=_start, args=[rig])
            started.start()
            time.sleep(rng.uniform(0.5, 1) * ready + rng.uniform(0, 1.5))
            rig.kill()
            started.join()
            losses.kills += 1
            path = rig.folder / "line.ledger"
            if path.exists() and (fault := verify_ledger(path).fault):
                losses.wrong.append(f"after kill {losses.kills}: {fault}")
        rig.start()
        rig.watcher.wait(lambda: bool(rig.watcher.decisions), 30)  # on a slow machine there was none so far
    finally:
        over.set()
        triggering.join()
    rig.plc.parts = 0
    until = time.monotonic() + 60
    while (status := rig.request("api/status")) and any(one["backlog"] for one in status["outputs"]):
        if time.monotonic() > until:
            losses.wrong.append(f"not delivered: {status['outputs']}")
            break
        time.sleep(0.1)
    rig.end()
    _compare(rig, losses)
    return losses


def _start(rig: Rig) -> None:
    with suppress(TimeoutError):  # it was killed before it was ready
        rig.start()


def _trigger(rig: Rig, over: threading.Event) -> None:
    number = 0
    while not over.wait(0.01):
        number += 1
        rig.watcher.trigger("left", f"m{number}")


def _compare(rig: Rig, losses: Losses) -> None:
    with Ledger.open(rig.folder / "line.ledger") as ledger:
        rows = ledger.read_holding()
    entered = {row.record.trigger: str(row.record.decision) for row in rows}
    parts = {int(row.record.part): str(row.record.decision) for row in rows if row.record.camera == "right"}
    told = {trigger: one["decision"] for trigger, one in rig.watcher.decisions.items()}
    results = [registers.part for registers in rig.plc.results]
    taken = dict(zip(results, rig.plc.decisions, strict=True))
    lines = (rig.folder / "out").read_text().splitlines(keepends=True)
    whole = [json.loads(line) for line in lines if line.endswith("}\n") and line.startswith("{")]
    printed = {line["trigger"]: line["decision"] for line in whole}
    losses.rows, losses.by_broker, losses.by_plc = len(rows), len(told), len(taken)
    losses.printed = len(printed)
    compared: list[tuple[str, dict[Any, str], dict[Any, str]]] = [
        ("the broker", told, entered),
        ("the PLC", taken, parts),
        ("the output", printed, entered),
    ]
    for who, theirs, ours in compared:
        strange = [one for one, decision in theirs.items() if ours.get(one) != decision]
        if strange:
            losses.wrong.append(f"{who} has {len(strange)} decisions that the ledger lacks: {strange[:3]}")
    if told != entered:
        losses.wrong.append(f"the broker has {len(told)} decisions, the ledger {len(entered)}")
    if len(results) != len(taken):
        losses.wrong.append(f"the PLC has {len(results) - len(taken)} results twice")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit code."""
    parser = make_parser("line.kills", __doc__)
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="how many (200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle")
    parser.add_argument("--image", type=Path, required=True, help="an image that it passes")
    parser.add_argument("--out", type=Path, help="where results/line_kills.json goes")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bundle = Path(shutil.copytree(options.bundle, folder / "bundle"))
        plan = Plan(bundle, bundle, read_image(options.image), 100, folder / "archive", deadline=10)
        with Rig(folder, plan) as rig:
            losses = kill_again_and_again(rig, options.kills, options.seed)
    print_results("line_kills", vars(losses), options.out)
    return 1 if losses.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
