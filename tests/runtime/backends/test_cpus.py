"""CPUs by affinity and by control groups: folders as Linux, Docker and systemd make them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from softcore_runtime.backends import cpus
from softcore_runtime.backends.cpus import find_quota, usable_cpus

V2 = "cgroup2 cgroup2 rw,nsdelegate"
V1 = "cgroup cgroup rw,cpu,cpuacct"
MEMORY = "cgroup cgroup rw,memory"


class Machine:
    """What a process sees of its control groups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = folder / "self"
        self.process.mkdir()
        self.mounts: list[str] = []

    def mount(self, name: str, kind: str, root: str = "/") -> Path:
        point = self.folder / name
        escaped = str(point).replace(" ", "\\040")
        self.mounts.append(f"30 23 0:26 {root} {escaped} rw,nosuid shared:4 - {kind}")
        return point

    def find(self, *groups: str) -> float | None:
        (self.process / "cgroup").write_text("".join(f"{group}\n" for group in groups))
        (self.process / "mountinfo").write_text("".join(f"{mount}\n" for mount in self.mounts))
        return find_quota(self.process)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def limit(group: Path, quota: str, period: int = 100_000) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.max").write_text(f"{quota} {period}\n")


def limit_v1(group: Path, quota: int, period: int = 100_000) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text(f"{period}\n")


def test_a_container_of_version_2_is_its_own_root(machine: Machine) -> None:
    limit(machine.mount("cgroup", V2), "150000")
    assert machine.find("0::/") == 1.5


def test_the_least_of_a_service_and_the_slices_above_it_holds(machine: Machine) -> None:
    top = machine.mount("cgroup", V2)
    top.mkdir()  # the root of a machine has no cpu.max
    limit(top / "system.slice", "300000")
    limit(top / "system.slice/line.service", "max")
    assert machine.find("0::/system.slice/line.service") == 3
    limit(top / "system.slice/line.service", "50000", 50_000)
    assert machine.find("0::/system.slice/line.service") == 1


@pytest.mark.parametrize("root", ["/", "/docker/1f"])
def test_a_container_of_version_1_may_see_a_path_of_outside(machine: Machine, root: str) -> None:
    machine.mount("memory", MEMORY)
    top = machine.mount("cpu,cpuacct", V1, root)
    limit_v1(top if root != "/" else top / "docker/1f", 250_000)
    assert machine.find("5:memory:/docker/1f", "4:cpu,cpuacct:/docker/1f", "0::/") == 2.5


def test_a_container_that_sees_another_path_than_its_own(machine: Machine) -> None:
    limit_v1(machine.mount("cpu", V1, "/docker/1f"), 100_000)
    assert machine.find("4:cpu,cpuacct:/") == 1


def test_a_folder_with_a_space(machine: Machine) -> None:
    limit(machine.mount("control groups", V2), "200000")
    assert machine.find("0::/") == 2


def test_nothing_that_is_no_quota_is_one(machine: Machine) -> None:
    assert find_quota(machine.process) is None  # no files at all
    limit(machine.mount("cgroup", V2), "max")
    limit_v1(machine.mount("cpu", V1), -1)
    assert machine.find("4:cpu,cpuacct:/", "0::/") is None
    limit(machine.folder / "cgroup", "rubbish")
    assert machine.find("4:cpu,cpuacct:/", "0::/", "", "1:name=systemd:/") is None


@pytest.mark.parametrize(("quota", "count"), [(None, 4), (9.0, 4), (4.0, 4), (3.9, 3), (1.0, 1), (0.2, 1)])
def test_a_quota_counts_in_whole_cpus(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, count: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3})
    monkeypatch.setattr(cpus, "find_quota", lambda: quota)
    assert usable_cpus() == count


def run(code: str, count: int, quota: float | None = None) -> list[str]:
    """Run code in a new interpreter with so many CPUs and a quota; the words that it prints."""
    there = sorted(os.sched_getaffinity(0))[:count]
    if quota is not None:  # CPUs that the quota can be less than
        code = f"os.sched_getaffinity = lambda _: {set(range(8))}\ncpus.find_quota = lambda: {quota}\n{code}"
    start = f"import os\nos.sched_setaffinity(0, {there})\nfrom softcore_runtime.backends import cpus\n"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    ended = subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, check=True, env=environment
    )
    return ended.stdout.split()


def test_only_cpus_of_the_affinity_are_counted() -> None:
    assert run("print(cpus.usable_cpus())", 1) == ["1"]


def test_libraries_have_no_more_threads_than_a_quota_allows() -> None:
    """Loaded before or after; and without a quota nothing is changed."""
    code = (
        "import cv2\ncv2.setNumThreads(8)\ncpus.limit_threads()\nimport torch\n"
        "print(cv2.getNumThreads(), torch.get_num_threads(), os.environ.get('OPENBLAS_NUM_THREADS'))\n"
        "torch.set_num_threads(6)\ncpus.limit_threads()\nprint(torch.get_num_threads())"
    )
    assert run(code, 64, quota=2.5) == ["2", "2", "2", "2"]
    code = (
        "import cv2\ncv2.setNumThreads(8)\ncpus.limit_threads()\n"
        "print(cv2.getNumThreads(), *(name for name in os.environ if 'NUM_THREADS' in name))"
    )
    assert run(code, 64) == ["8"]
