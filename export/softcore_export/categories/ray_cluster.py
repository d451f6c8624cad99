"""Ray cluster: runs the tasks of categories on the machines of a cluster; the only module that knows Ray."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from softcore_runtime.errors import UsageError
from softcore_runtime.missing_library import explain_import

from softcore_export.categories.category_task import CategoryResult, CategoryTask, run_task

__all__ = ["run_tasks"]

_PROCESSORS = 2  # of each export
_FAULT = 70  # as the command's exit code for a fault of SoftCore itself


def run_tasks(tasks: Sequence[CategoryTask], address: str, *, use_gpu: bool) -> Iterator[CategoryResult]:
    """Run tasks on a cluster, as many at once as have room, and yield the results as they come.

    Ray starts a task again where its machine is lost. What the tasks name must lie at the same paths on all
    machines, and SoftCore must be installed there.

    Args:
        tasks: the tasks.
        address: of the cluster, such as `ray://host:10001`, `host:6379` or `auto`; `local` starts one here.
        use_gpu: whether each takes a GPU, where the cluster has any.

    Raises:
        MissingLibraryError: Ray isn't installed.
        UsageError: there is no cluster at that address.
    """
    try:
        import ray
    except ImportError as error:
        raise explain_import(error, "ray") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except Exception as error:  # of many kinds, by what is wrong
        raise UsageError(f"--ray {address}: no cluster can be reached ({_shorten(error)})") from error
    try:
        machines = [one["Resources"] for one in ray.nodes() if one["Alive"]]  # type: ignore[no-untyped-call]
        largest = max(one.get("CPU", 0) for one in machines)  # a task that has room nowhere waits for ever
        gpus = 1 if use_gpu and any(one.get("GPU", 0) >= 1 for one in machines) else 0
        remote = ray.remote(num_cpus=min(_PROCESSORS, largest), num_gpus=gpus)(run_task)
        names: dict[Any, CategoryTask] = {remote.remote(task): task for task in tasks}
        waiting = list(names)
        try:
            while waiting:
                (done, *_), waiting = ray.wait(waiting)
                yield _collect(ray, done, names[done])
        except BaseException:  # interrupted: what runs is ended, and leaves an earlier bundle as it was
            for one in waiting:
                with contextlib.suppress(Exception):
                    ray.cancel(one)
            raise
    finally:
        ray.shutdown()


def _collect(ray: Any, done: Any, task: CategoryTask) -> CategoryResult:
    try:
        result: CategoryResult = ray.get(done)
    except Exception as error:  # its machine is lost, or the folders aren't there
        return CategoryResult(task.name, task.digest, _FAULT, 0.0, _shorten(error))
    return result


def _shorten(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
