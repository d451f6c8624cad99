"""The option `--all` of `softcore-export`: exports all categories of a folder, one after the other."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from softcore_runtime.cli.checks import gather_mistakes
from softcore_runtime.cli.progress import print_message, track
from softcore_runtime.errors import UsageError
from softcore_runtime.language.catalogue import choose_language

from softcore_export.categories.category_task import (
    CategoryResult,
    CategoryTask,
    find_log,
    find_tasks,
    run_task,
)
from softcore_export.categories.record import Record
from softcore_export.categories.summary import write_summary
from softcore_export.cli.preflight import check_key, check_own_network
from softcore_export.cli.settings_options import read_settings

__all__ = ["export_all"]

_OWN = {"--all": 0, "--data": 1, "--out": 1, "--ray": 1}  # options that are no export's, with their values
_FAILED = 3
_INTERRUPTED = 130


def export_all(options: argparse.Namespace, arguments: Sequence[str] | None) -> int:
    """Export the categories whose bundles aren't there yet; return the exit code, 3 where one failed.

    Each is exported by a process of its own: a fault of one stops none of the others.

    Args:
        options: the command's options.
        arguments: what was typed, of which each export gets its part; None for those of this process.

    Raises:
        UsageError: another option has no meaning with it, or there is no category.
        KeyboardInterrupt: interrupted; what is exported by then is taken up the next time.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    _check(options, given)
    root = options.data or Path(os.environ.get("SOFTCORE_DATA", "datasets"))
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; name with --data DIR the one with the categories in it")
    tasks = find_tasks(root, options.out, _leave_out(given, _OWN))
    record = Record(options.out)
    waiting = [task for task in tasks if not record.is_done(task)]
    if done := len(tasks) - len(waiting):
        print_message(f"{done} of {len(tasks)} categories are exported already, from the same images")
    for result in track(_run(waiting, options), "categories", len(waiting), prints=True):
        record.add(result)
        print_message(_describe(result, options.out))
    results = [record.results[task.name] for task in tasks]
    page = write_summary(options.out, results, choose_language(options.language))
    failed = sum(result.code != 0 for result in results)
    print(f"{options.out}: {len(tasks) - failed} of {len(tasks)} categories exported")
    print(f"  summary    {page}")
    return _FAILED if failed else 0


def _check(options: argparse.Namespace, typed: Sequence[str]) -> None:
    """Check what all exports have in common, before the first one.

    Raises:
        UsageError: mistakes of the user, all that were found.
    """
    given = {
        "--category": any(one.partition("=")[0] == "--category" for one in typed),
        "--demo": options.demo,
        "--update": options.update,
        "--convert": options.convert,
        "--review": options.review,
        "--good": options.good,
        "--bad": options.bad,
        "--labels": options.labels,
        "--labelled": options.labelled,
    }
    if unwanted := next((name for name, value in given.items() if value), ""):
        raise UsageError(f"--all: exports every category alike; leave out {unwanted}, which is of one")
    with gather_mistakes() as attempt:
        with attempt():
            read_settings(options)
        with attempt():
            check_key(options.sign)
        with attempt():
            check_own_network(options)


def _run(tasks: Sequence[CategoryTask], options: argparse.Namespace) -> Iterator[CategoryResult]:
    if options.ray and tasks:
        from softcore_export.categories.ray_cluster import run_tasks

        yield from run_tasks(tasks, options.ray, use_gpu=options.device != "cpu")
        return
    for task in tasks:
        result = run_task(task)
        if result.code == _INTERRUPTED:
            raise KeyboardInterrupt
        yield result


def _describe(result: CategoryResult, out: Path) -> str:
    if result.code:
        log = find_log(out, result.name)
        return f"  {result.name}: failed after {result.seconds:.0f} s: {result.told}; see {log}"
    return f"  {result.name}: exported in {result.seconds:.0f} s"


def _leave_out(given: Sequence[str], options: dict[str, int]) -> list[str]:
    """Return arguments without some options, each with its number of values."""
    kept, place = [], 0
    while place < len(given):
        name, equals, _ = given[place].partition("=")
        if name in options:
            place += 1 + (0 if equals else options[name])
        else:
            kept.append(given[place])
            place += 1
    return kept
