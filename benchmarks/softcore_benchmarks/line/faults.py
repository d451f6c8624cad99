"""Faults: ten thousand triggers while everything around a line fails, each of which must have its decision.

    python -m softcore_benchmarks.line.faults --triggers 10000 --out benchmarks

Two cameras (ffmpeg), one triggered by a broker and over HTTP, one by a PLC; every few seconds one of them
fails. Checked afterwards: each trigger has one decision, in order, in the ledger; the broker and the PLC have
each decision once; and each camera gave decisions within two seconds of its recovery. Writes
results/line_faults.json into --out; the exit code is 1 where a check fails.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, repeat
from pathlib import Path
from typing import Any

import psutil
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_runtime import read_image
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold_change import set_threshold
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track

from softcore_benchmarks.line.ledger_comparison import compare_broker, compare_plc, compare_triggers
from softcore_benchmarks.line.rig.load import load
from softcore_benchmarks.line.rig.rig import Plan, Rig
from softcore_benchmarks.line.rig.stream import FAULTS, Stream
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.results import print_results

__all__ = ["Findings", "inflict", "main"]

_MAX_RECOVERY = 2.0  # seconds until a source that has recovered gives decisions
_GRACE = 60  # seconds until the backlog is delivered
_DISK = 4_000_000  # bytes of the archive's disk


@dataclass
class Findings:
    """What was found.

    Attributes:
        wrong: failed checks, in words; empty is good.
        triggers: number of triggers by camera, as the line counts them.
        decisions: number of rows of the ledger by decision.
        invalid: number of rows by kind of reason.
        faults: number of times that each fault was inflicted.
        rounds: number of times that all of them were.
        memory: MB (10**6 bytes) of the line's process after each round.
        back: seconds from each recovery of a camera to its first decision that isn't INVALID, by camera;
            None where it gave none.
        seconds: from the first trigger to the last decision.
        copies: number of decisions that the broker delivered more than once.
        ending: seconds from SIGTERM to the process's end.
    """

    wrong: list[str] = field(default_factory=list)
    triggers: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    memory: list[float] = field(default_factory=list)
    back: dict[str, list[float | None]] = field(default_factory=dict)
    seconds: float = 0.0
    copies: int = 0
    ending: float = 0.0


def inflict(rig: Rig, triggers: int, pause: float, *, disk: Path | None = None) -> Findings:
    """Run a rig through so many triggers and each fault at least once, and check what it leaves.

    Args:
        rig: entered, and not started.
        triggers: least number of triggers of both cameras together.
        pause: seconds between two faults, each of which takes about as long.
        disk: the archive's disk, which is filled up; None leaves that fault out.
    """
    findings, over = Findings(), threading.Event()
    rig.start()
    began = time.monotonic()
    failing = threading.Thread(target=_inflict_in_turn, args=[rig, over, findings, pause, disk])
    with load(rig):
        failing.start()
        for _ in track(_follow_triggers(rig, findings, triggers), "triggers", triggers):
            pass
        over.set()
        failing.join()
    findings.seconds = time.monotonic() - began
    _wait_for_delivery(rig, findings)
    findings.triggers = _count(rig)
    findings.ending = rig.end()
    _compare(rig, findings)
    return findings


def _follow_triggers(rig: Rig, findings: Findings, triggers: int) -> Iterator[None]:
    """Yield once a trigger until there were so many and each fault was inflicted, or the line has ended."""
    seen = yielded = 0
    while (seen < triggers or not findings.rounds) and rig.process and rig.process.poll() is None:
        time.sleep(0.2)
        seen = sum(_count(rig).values()) or seen
        yield from repeat(None, min(seen, triggers) - yielded)
        yielded = min(seen, triggers)


def _count(rig: Rig) -> dict[str, int]:
    status = rig.request("api/status")
    return {camera["name"]: camera["triggers"] for camera in status["cameras"]} if status else {}


def _inflict_in_turn(
    rig: Rig, over: threading.Event, findings: Findings, pause: float, disk: Path | None
) -> None:
    """Inflict one fault after the other until `over` is set; leave everything healthy."""
    kinds: list[tuple[str, Callable[[], Any]]] = [
        *((f"left camera {state}", _break_camera(rig.left, state, over, pause)) for state in FAULTS),
        ("broker killed", lambda: _interrupt(rig.broker.kill, rig.broker.start, over, pause)),
        ("right camera dead", _break_camera(rig.right, "dead", over, pause)),
        ("recipe second", lambda: rig.request("api/recipe", {"camera": "left", "recipe": "second"})),
        ("PLC silent", lambda: _silence_plc(rig, over, pause)),
        ("threshold changed", lambda: _shift_threshold(rig.plan.first)),
        ("recipe first", lambda: rig.request("api/recipe", {"camera": "left", "recipe": "first"})),
        ("PLC off", lambda: _interrupt(rig.plc.stop, rig.plc.start, over, pause)),
    ]
    if disk:
        kinds.append(("archive's disk full", lambda: _fill_disk(disk, over, pause)))
    for name, inflict_one in cycle(kinds):
        findings.rounds = min(findings.faults[one] for one, _ in kinds)
        if findings.rounds > len(findings.memory):
            findings.memory.append(round(psutil.Process(rig.pid).memory_info().rss / 1e6, 1))
        if over.wait(pause):
            return
        findings.faults[name] += 1
        inflict_one()
        for camera, stream in (("left", rig.left), ("right", rig.right)):
            if stream.recovered_at and f"{camera} camera" in name:
                findings.back.setdefault(camera, []).append(_time_recovery(rig, camera, stream.recovered_at))


def _break_camera(stream: Stream, state: str, over: threading.Event, pause: float) -> Callable[[], None]:
    return lambda: _interrupt(
        lambda: stream.set_state(state), lambda: stream.set_state("healthy"), over, pause
    )


def _interrupt(off: Callable[[], None], on: Callable[[], None], over: threading.Event, pause: float) -> None:
    off()
    over.wait(pause)
    on()


def _silence_plc(rig: Rig, over: threading.Event, pause: float) -> None:
    rig.plc.silent = True
    over.wait(pause)
    rig.plc.silent = False


def _shift_threshold(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    value = manifest.threshold.value * (1.001 if len(manifest.history) % 2 else 1 / 1.001)
    set_threshold(bundle, manifest.threshold.model_copy(update={"value": value}), manifest)


def _fill_disk(disk: Path, over: threading.Event, pause: float) -> None:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    over.wait(pause)
    ballast.unlink()


def _time_recovery(rig: Rig, camera: str, recovered_at: float) -> float | None:
    """Return the seconds from a camera's recovery to its first decision that isn't INVALID, or None."""
    wall = time.time_ns() - int(1e9 * (time.monotonic() - recovered_at))

    def find_times() -> list[float]:
        return [
            (decision["decided_at"] - wall) / 1e9
            for decision in list(rig.watcher.decisions.values())[-400:]
            if decision["camera"] == camera
            and decision["decision"] != "INVALID"
            and decision["triggered_at"] > wall
        ]

    rig.watcher.wait(lambda: bool(find_times()), 30)
    return round(min(find_times()), 3) if find_times() else None


def _wait_for_delivery(rig: Rig, findings: Findings) -> None:
    """Wait until every decision is delivered."""
    until = time.monotonic() + _GRACE
    while time.monotonic() < until:
        status = rig.request("api/status")
        if (
            status
            and not any(output["backlog"] for output in status["outputs"])
            and all(camera["triggers"] == camera["decisions"] for camera in status["cameras"])
        ):
            return
        time.sleep(0.1)
    findings.wrong.append(f"after {_GRACE} s not all is decided and delivered: {rig.request('api/status')}")


def _compare(rig: Rig, findings: Findings) -> None:
    path = rig.folder / "line.ledger"
    verified = verify_ledger(path)
    if verified.fault or not verified.closed:
        findings.wrong.append(f"the ledger: {verified.fault or 'was not closed'}")
    with Ledger.open(path) as ledger:
        rows = ledger.read_holding()
    findings.decisions = dict(Counter(str(row.record.decision) for row in rows))
    findings.invalid = dict(
        Counter(find_kind(row.record.reason) for row in rows if row.record.decision.value == "INVALID")
    )
    findings.copies = sum(count > 1 for count in rig.watcher.copies.values())
    findings.wrong += [
        *compare_triggers(rows, findings.triggers),
        *compare_broker(rows, rig.watcher.decisions),
        *compare_plc(rows, rig.plc),
    ]


@contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    """Mount a small disk; give None where that isn't allowed."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit code."""
    parser = make_parser("line.faults", __doc__)
    parser.add_argument("--triggers", type=int, default=10_000, metavar="N", help="how many (10000)")
    parser.add_argument("--pause", type=float, default=2.0, metavar="SECONDS", help="between faults (2)")
    parser.add_argument("--rate", type=int, default=50, metavar="N", help="frames a second (50)")
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle")
    parser.add_argument("--image", type=Path, required=True, help="an image that it passes")
    parser.add_argument("--out", type=Path, help="where results/line_faults.json goes")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as place, _small_disk(Path(place) / "disk") as disk:
        folder = Path(place) / "rig"
        folder.mkdir()
        first, second = (Path(shutil.copytree(options.bundle, folder / name)) for name in ("first", "second"))
        image = read_image(options.image)
        plan = Plan(first, second, image, options.rate, disk or folder / "archive")
        with Rig(folder, plan) as rig:
            findings = inflict(rig, options.triggers, options.pause, disk=disk)
            if findings.wrong:
                print(rig.log[-3000:], file=sys.stderr)
    print_results("line_faults", vars(findings), options.out)
    back = [seconds for camera in findings.back.values() for seconds in camera]
    slow = any(seconds is None or seconds > _MAX_RECOVERY for seconds in back)
    return 1 if findings.wrong or slow else 0


if __name__ == "__main__":
    sys.exit(main())
