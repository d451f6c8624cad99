"""Category task: the export of one category as a process of its own, and what came of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from softcore_runtime.errors import SoftCoreError, UsageError
from softcore_runtime.images.image_folder import SUFFIXES

__all__ = ["CategoryResult", "CategoryTask", "find_log", "find_tasks", "run_task"]

_FOLDER = "logs"
_LONGEST = 500  # characters of a message


@dataclass(frozen=True)
class CategoryTask:
    """The export of one category.

    Attributes:
        name: of the category.
        command: what exports it, without Python's own path, which differs from machine to machine.
        folder: the working folder, from which the command's paths are given.
        log: the file for what the command prints.
        digest: of the command, of SoftCore's version, and of names, sizes and times of the images.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    digest: str


@dataclass(frozen=True)
class CategoryResult:
    """What came of a task.

    Attributes:
        name: of the category.
        digest: the task's.
        code: exit code of the command; 0 where there is a bundle.
        seconds: how long it took.
        told: the last line that it printed of what is wrong; empty where nothing is.
    """

    name: str
    digest: str
    code: int
    seconds: float
    told: str = ""


def find_tasks(root: Path, out: Path, options: Sequence[str]) -> list[CategoryTask]:
    """Find the categories of a folder: one task for each of its folders with images, sorted by name.

    The folder of the bundles is none of them, if it lies there, too.

    Args:
        root: the folder with the categories.
        out: the folder for the bundles.
        options: further options of `softcore-export`, the same for all.

    Raises:
        UsageError: the folder isn't there, can't be listed, or has no category.
    """
    tasks = []
    try:
        there = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        folders = sorted(path for path in there if path.resolve() != out.resolve())
        for folder in folders:
            listing = [
                (path.relative_to(folder).as_posix(), found.st_size, found.st_mtime_ns)
                for path in sorted(folder.rglob("*"))
                if path.suffix.lower() in SUFFIXES and path.is_file()
                for found in [path.stat()]
            ]
            if listing:
                command = ("--category", folder.name, "--data", str(root), "--out", str(out), *options)
                content = json.dumps([version("softcore"), command, listing])
                digest = hashlib.sha256(content.encode()).hexdigest()
                log = find_log(out, folder.name).absolute()
                tasks.append(CategoryTask(folder.name, command, Path.cwd(), log, digest))
    except OSError as error:
        raise UsageError(f"{error.filename}: can't be listed ({error.strerror})") from error
    if not tasks:
        raise UsageError(f"{root}: no folder with images in it; --all exports those of --data ROOT")
    return tasks


def find_log(out: Path, name: str) -> Path:
    """Return the path of the log of a category, in the folder of the bundles."""
    return out / _FOLDER / f"{name}.log"


def run_task(task: CategoryTask) -> CategoryResult:
    """Run a task: on this machine, or on any that sees the same folders.

    Raises:
        SoftCoreError: its log can't be written, or its working folder isn't there.
    """
    began = time.monotonic()
    try:
        task.log.parent.mkdir(parents=True, exist_ok=True)
        with task.log.open("w", encoding="utf-8") as log:
            command = [sys.executable, "-m", "softcore_export", *task.command]
            process = subprocess.Popen(
                command, cwd=task.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                code = process.wait()
            except BaseException:  # interrupted: it leaves an earlier bundle as it was
                process.terminate()
                process.wait()
                raise
        told = _read_last_line(task.log) if code else ""
    except OSError as error:
        raise SoftCoreError(f"{error.filename or task.log}: {error.strerror or error}") from error
    return CategoryResult(task.name, task.digest, code, round(time.monotonic() - began, 1), told)


def _read_last_line(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").rstrip()
    return text.rpartition("\n")[2].removeprefix("softcore-export: ")[:_LONGEST]
