"""Faults: ten thousand triggers while everything around a line fails, and none of them without its decision.

    python -m softcore_benchmarks.line.faults --triggers 10000 --out benchmarks

Two cameras (ffmpeg), one triggered by a broker and over HTTP, one by a PLC; every few seconds one of them
fails. Then: each trigger has one decision, in order, in the ledger; the broker and the PLC have each of them,
once; and all came back within two seconds. Writes results/line_faults.json into --out; the exit code is 1
where something doesn't hold.
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
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
from softcore_edge_app.ledger.ledger import Ledger, Row, verify_ledger
from softcore_edge_app.ledger.origin import find_origin
from softcore_edge_app.queries.invalid_kinds import find_kind
from softcore_runtime import read_image
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold_change import set_threshold
from softcore_runtime.cli.command_line import Parser, run
from tqdm import tqdm

from softcore_benchmarks.line.results import tell_results
from softcore_benchmarks.line.rig.load import load
from softcore_benchmarks.line.rig.rig import Plan, Rig
from softcore_benchmarks.line.rig.stream import FAULTS, Stream

__all__ = ["Findings", "inflict", "main"]

_BACK = 2.0  # seconds within which a source that is well again gives decisions
_GRACE = 60  # seconds until what was left behind is delivered
_DISK = 4_000_000  # bytes of the archive's disk


@dataclass
class Findings:
    """What came of it.

    Attributes:
        wrong: what doesn't hold, in words; empty is good.
        triggers: by camera, as the line counts them.
        decisions: by decision, of the ledger.
        invalid: by kind of reason.
        faults: how often each was inflicted.
        rounds: how often all of them were.
        memory: MB (10**6 bytes) that the line's process takes, after each round.
        back: seconds until a camera that was well again gave its first decision that isn't INVALID; None
            where it gave none.
        seconds: from the first trigger to the last decision.
        copies: how many decisions the broker gave more than once.
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
    """Run a rig through so many triggers and each fault at least once, and look at what is left.

    Args:
        rig: entered, and not started.
        triggers: of both cameras together, at least.
        pause: between two faults, each of which takes about as long.
        disk: where the archive is, to be filled up; None leaves that out.
    """
    findings, over = Findings(), threading.Event()
    rig.start()
    began, seen = time.monotonic(), 0
    failing = threading.Thread(target=_fail, args=[rig, over, findings, pause, disk])
    with load(rig), tqdm(total=triggers, desc="triggers", disable=not sys.stderr.isatty()) as bar:
        failing.start()
        while (seen < triggers or not findings.rounds) and rig.process and rig.process.poll() is None:
            time.sleep(0.2)
            seen = sum(_count(rig).values()) or seen
            bar.update(min(seen, triggers) - bar.n)
        over.set()
        failing.join()
    findings.seconds = time.monotonic() - began
    _settle(rig, findings)
    findings.triggers = _count(rig)
    findings.ending = rig.end()
    _compare(rig, findings)
    return findings


def _count(rig: Rig) -> dict[str, int]:
    status = rig.ask("api/status")
    return {camera["name"]: camera["triggers"] for camera in status["cameras"]} if status else {}


def _fail(rig: Rig, over: threading.Event, findings: Findings, pause: float, disk: Path | None) -> None:
    """Inflict one fault after the other; leave all well."""
    kinds: list[tuple[str, Callable[[], Any]]] = [
        *((f"left camera {state}", _spoil(rig.left, state, over, pause)) for state in FAULTS),
        ("broker killed", lambda: _bounce(rig.broker.kill, rig.broker.start, over, pause)),
        ("right camera dead", _spoil(rig.right, "dead", over, pause)),
        ("recipe second", lambda: rig.ask("api/recipe", {"camera": "left", "recipe": "second"})),
        ("PLC silent", lambda: _hold(rig, over, pause)),
        ("threshold changed", lambda: _shift_threshold(rig.plan.first)),
        ("recipe first", lambda: rig.ask("api/recipe", {"camera": "left", "recipe": "first"})),
        ("PLC off", lambda: _bounce(rig.plc.stop, rig.plc.start, over, pause)),
    ]
    if disk:
        kinds.append(("archive's disk full", lambda: _fill(disk, over, pause)))
    for name, inflict_one in cycle(kinds):
        findings.rounds = min(findings.faults[one] for one, _ in kinds)
        if findings.rounds > len(findings.memory):
            findings.memory.append(round(psutil.Process(rig.pid).memory_info().rss / 1e6, 1))
        if over.wait(pause):
            return
        findings.faults[name] += 1
        inflict_one()
        for camera, stream in (("left", rig.left), ("right", rig.right)):
            if stream.returned and f"{camera} camera" in name:
                findings.back.setdefault(camera, []).append(_wait_for_part(rig, camera, stream.returned))


def _spoil(stream: Stream, state: str, over: threading.Event, pause: float) -> Callable[[], None]:
    return lambda: _bounce(lambda: stream.be(state), lambda: stream.be("well"), over, pause)


def _bounce(off: Callable[[], None], on: Callable[[], None], over: threading.Event, pause: float) -> None:
    off()
    over.wait(pause)
    on()


def _hold(rig: Rig, over: threading.Event, pause: float) -> None:
    rig.plc.silent = True
    over.wait(pause)
    rig.plc.silent = False


def _shift_threshold(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    value = manifest.threshold.value * (1.001 if len(manifest.history) % 2 else 1 / 1.001)
    set_threshold(bundle, manifest.threshold.model_copy(update={"value": value}), manifest)


def _fill(disk: Path, over: threading.Event, pause: float) -> None:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    over.wait(pause)
    ballast.unlink()


def _wait_for_part(rig: Rig, camera: str, returned: float) -> float | None:
    """Wait for a part that came after the camera's return and isn't INVALID; in seconds from then."""
    wall = time.time_ns() - int(1e9 * (time.monotonic() - returned))

    def came() -> list[float]:
        return [
            (decision["decided_at"] - wall) / 1e9
            for decision in list(rig.watcher.decisions.values())[-400:]
            if decision["camera"] == camera
            and decision["decision"] != "INVALID"
            and decision["triggered_at"] > wall
        ]

    rig.watcher.wait(lambda: bool(came()), 30)
    return round(min(came()), 3) if came() else None


def _settle(rig: Rig, findings: Findings) -> None:
    """Wait until everything that was decided is delivered."""
    until = time.monotonic() + _GRACE
    while time.monotonic() < until:
        status = rig.ask("api/status")
        if (
            status
            and not any(output["backlog"] for output in status["outputs"])
            and all(camera["triggers"] == camera["decisions"] for camera in status["cameras"])
        ):
            return
        time.sleep(0.1)
    findings.wrong.append(f"after {_GRACE} s not all is decided and delivered: {rig.ask('api/status')}")


def _compare(rig: Rig, findings: Findings) -> None:
    path = rig.folder / "line.ledger"
    verified = verify_ledger(path)
    if verified.fault or not verified.closed:
        findings.wrong.append(f"the ledger: {verified.fault or 'was not closed'}")
    with Ledger.open(path) as ledger:
        rows = ledger.read_holding()
    findings.decisions = dict(Counter(str(row.entry.decision) for row in rows))
    findings.invalid = dict(
        Counter(find_kind(row.entry.reason) for row in rows if row.entry.decision.value == "INVALID")
    )
    findings.copies = sum(count > 1 for count in rig.watcher.copies.values())
    findings.wrong += [
        *_compare_triggers(rows, findings.triggers),
        *_compare_broker(rows, rig.watcher.decisions),
        *_compare_plc(rows, rig),
    ]


def _compare_triggers(rows: list[Row], triggers: dict[str, int]) -> Iterator[str]:
    for camera, count in triggers.items():
        numbers = [_read_number(row.entry.trigger) for row in rows if row.entry.camera == camera]
        if numbers != list(range(1, count + 1)):
            yield f"{camera}: {count} triggers, and {len(numbers)} decisions, or not in order"


def _read_number(trigger: str) -> int:
    return int(trigger.removesuffix(f"-{find_origin(trigger)}").rpartition("-")[2])


def _compare_broker(rows: list[Row], decisions: dict[str, dict[str, Any]]) -> Iterator[str]:
    entered = {row.entry.trigger: str(row.entry.decision) for row in rows}
    told = {trigger: decision["decision"] for trigger, decision in decisions.items()}
    if told != entered:
        missing, strange = entered.keys() - told.keys(), told.keys() - entered.keys()
        yield f"the broker lacks {len(missing)} decisions, and has {len(strange)} that aren't in the ledger"
    if [*decisions] != [trigger for trigger in entered if trigger in decisions]:
        yield "the broker has them in another order"


def _compare_plc(rows: list[Row], rig: Rig) -> Iterator[str]:
    entered = [(int(row.entry.part), str(row.entry.decision)) for row in rows if row.entry.camera == "right"]
    told = [
        (registers.part, decision)
        for registers, decision in zip(rig.plc.results, rig.plc.decisions, strict=True)
    ]
    if told != entered:
        yield f"the PLC has {len(told)} results, and the ledger {len(entered)}, or others"


@contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    """Mount a small disk, where that is allowed."""
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
    """Run the measurement."""
    parser = Parser("softcore_benchmarks.line.faults", __doc__ or "")
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
    tell_results("faults", vars(findings), options.out)
    back = [seconds for camera in findings.back.values() for seconds in camera]
    slow = any(seconds is None or seconds > _BACK for seconds in back)
    return 1 if findings.wrong or slow else 0


if __name__ == "__main__":
    sys.exit(main())
