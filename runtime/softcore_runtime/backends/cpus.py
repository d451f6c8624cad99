"""CPUs: the number that this process may use, by its affinity and by the quotas of its control groups.

A container with a quota (`docker run --cpus 2`, `CPUQuota=` of systemd) still sees every CPU of the machine.
A library that starts a thread for each has them stopped together for most of each period.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["find_quota", "limit_threads", "usable_cpus"]

_PROCESS = Path("/proc/self")
# The variables that numpy's and torch's libraries read when they are loaded.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use: at least one, at most its quota, rounded down."""
    cpus = len(os.sched_getaffinity(0))
    quota = find_quota()
    return cpus if quota is None else max(1, min(cpus, int(quota)))


def limit_threads() -> None:
    """Limit the threads of numpy, torch and OpenCV to the quota; without a quota nothing is changed.

    Libraries that are loaded later read the number from the environment, unless it is set already.
    """
    cpus = usable_cpus()
    if cpus >= len(os.sched_getaffinity(0)):
        return
    for name in _VARIABLES:
        os.environ.setdefault(name, str(cpus))
    # Without importing either.
    if (cv2 := sys.modules.get("cv2")) and cv2.getNumThreads() > cpus:
        cv2.setNumThreads(cpus)
    if (torch := sys.modules.get("torch")) and torch.get_num_threads() > cpus:
        torch.set_num_threads(cpus)


def find_quota(process: Path = _PROCESS) -> float | None:
    """Return the number of CPUs that a process may use by its control groups, of version 1 or 2.

    None without a quota. A group has at most the quota of each group above it that is visible from here.

    Args:
        process: its folder under /proc.
    """
    try:
        groups = (process / "cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        mounts = (process / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # another system than Linux, or one that hides it
        return None
    quotas = [
        quota
        for line in groups
        for folder in _list_folders(*_split_group(line), mounts)
        if (quota := _read_quota(folder)) is not None
    ]
    return min(quotas, default=None)


def _split_group(line: str) -> tuple[str, str]:
    """Split `4:cpu,cpuacct:/docker/1f`, or `0::/docker/1f` of version 2, into controllers and path."""
    _, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    return controllers, path


def _list_folders(controllers: str, path: str, mounts: list[str]) -> Iterator[Path]:
    """Yield the folders of a group and of those above it, at each place where its hierarchy is mounted."""
    if controllers and "cpu" not in controllers.split(","):
        return
    for line in mounts:
        before, _, after = line.partition(" - ")
        _, _, _, root, point, *_ = before.split(" ")
        kind, _, options = (*after.split(" "), "", "")[:3]
        if kind != ("cgroup" if controllers else "cgroup2"):
            continue
        if controllers and "cpu" not in options.split(","):
            continue
        folder, top = Path(_unescape(point)), _unescape(root).rstrip("/")
        # A container may see its own group as the root, with a path from outside.
        inside = path.removeprefix(top) if path == top or path.startswith(f"{top}/") else ""
        group = folder / inside.lstrip("/")
        yield group
        yield from (one for one in group.parents if one == folder or folder in one.parents)


def _read_quota(folder: Path) -> float | None:
    """Return the number of CPUs that a group may use; None without a quota."""
    try:
        if (file := folder / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        share = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max", or an unknown format
        return None
    return share if share > 0 else None  # version 1 has -1 without a quota


def _unescape(text: str) -> str:
    """Undo the octal escapes of mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
