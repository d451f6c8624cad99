"""Driver: writes a bundle again and again, each time in a process that kills itself one step later.

Run by `test_staging_directory.py` as a process of its own, which has one thread and may therefore fork.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from softcore_export.staging_directory import staging_directory
from softcore_runtime.bundle import folder_swap

OLD, NEW, NEXT = "old", "new", "next"
FILES = ("manifest.json", "golden/frame")


def write(place: Path, content: str) -> None:
    (place / "golden").mkdir(parents=True)
    for name in FILES:
        (place / name).write_text(content)


def read(target: Path) -> str:
    """Say which bundle is at `target`, where it is whole."""
    if not target.exists():
        return "none"
    found = {(target / name).read_text() if (target / name).is_file() else "missing" for name in FILES}
    return found.pop() if len(found) == 1 else "mixed"


def replace(target: Path, content: str) -> None:
    with staging_directory(target) as place:
        write(place, content)


def replace_and_die(target: Path, step: int) -> None:
    """Kill this process just before its `step`-th step; else end it.

    The steps are what Python tells its audit hooks of: whatever opens, makes, moves or deletes a file.
    """
    left = step

    def count(_event: str, _arguments: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    replace(target, NEW)
    os._exit(0)


def try_steps(folder: Path, first: str, steps: str) -> tuple[int, list[str]]:
    """Kill at each step; give their number, and what wasn't as it should be."""
    target, faults, step = folder / "bundles" / "pill", list[str](), 0
    while True:
        shutil.rmtree(folder / "bundles", ignore_errors=True)
        if first == OLD:
            write(target, OLD)
        child = os.fork()
        if child == 0:
            replace_and_die(target, step)
        killed = os.waitpid(child, 0)[1] != 0
        folder_swap.restore(target)
        found = read(target)
        if found not in ((first, NEW) if killed else (NEW,)):
            faults.append(f"{first}, {steps}, killed at step {step}: {found}")
        replace(target, NEXT)
        there = sorted(path.name for path in target.parent.iterdir())
        if (read(target), there) != (NEXT, ["pill"]):
            faults.append(f"{first}, {steps}, the next after step {step}: {read(target)} {there}")
        if not killed:
            return step, faults
        step += 1


def main(folder: Path) -> None:
    os.fsync = lambda _: None  # it makes no difference to a process that is killed, and takes time
    counts, faults = [], list[str]()
    for steps in ("one step", "two steps"):
        if steps == "two steps":
            folder_swap._exchange = lambda *_: False
        for first in (OLD, "none") if steps == "one step" else (OLD,):
            count, found = try_steps(folder, first, steps)
            counts.append(count)
            faults += found
    sys.stdout.write(json.dumps([counts, faults]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
