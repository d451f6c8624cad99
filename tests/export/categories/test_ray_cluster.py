"""A real Ray cluster of two workers on this machine."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from softcore_export.categories.category_task import find_tasks
from softcore_export.categories.ray_cluster import run_tasks
from softcore_runtime import Inspector
from softcore_runtime.errors import MissingLibraryError, UsageError

WITHIN = 400  # seconds
OPTIONS = ["--backbone", "filterbank", "--resize", "72", "--crop", "64", "--precision", "fp32"]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("ray", reason="needs Ray: pip install 'softcore[ray]'")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    def give_up(*_given: object) -> None:
        raise TimeoutError("the cluster answers no more")

    before = signal.signal(signal.SIGALRM, give_up)  # Ray itself would wait for ever
    signal.alarm(WITHIN)
    try:
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            made.add_node(num_cpus=1)
        made.wait_for_nodes()
    except Exception as error:  # of many kinds: no shared memory, no room for its processes
        pytest.skip(f"Ray can't start a cluster here: {error}")
    try:
        yield made
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        made.shutdown()


@pytest.mark.filterwarnings("ignore")  # of Ray's own processes and files
def test_each_category_is_exported_once_and_a_failure_stops_no_other(
    cluster: Any, own_discs: Path, tmp_path: Path
) -> None:
    for name, count in (("cap", 12), ("few", 3)):
        shutil.copytree(own_discs / "disc", own_discs / name)
        for path in sorted((own_discs / name).iterdir())[count:]:
            path.unlink()
    out = tmp_path / "bundles"
    tasks = find_tasks(own_discs, out, OPTIONS)
    results = {one.name: one for one in run_tasks(tasks, cluster.address, use_gpu=True)}
    assert {name: one.code for name, one in results.items()} == {"cap": 0, "disc": 0, "few": 3}
    assert "3 images, at least 8 are needed" in results["few"].told
    assert {name: one.digest for name, one in results.items()} == {one.name: one.digest for one in tasks}
    for name in ("cap", "disc"):
        Inspector.load(out / name)


def test_an_address_without_a_cluster_is_told(own_discs: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'softcore[ray]'")
    tasks = find_tasks(own_discs, tmp_path, OPTIONS)
    with pytest.raises(UsageError, match="--ray nowhere: no cluster can be reached"):
        list(run_tasks(tasks, "nowhere", use_gpu=False))


def test_without_ray_the_extra_is_named(
    own_discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingLibraryError, match="ray"):
        list(run_tasks(find_tasks(own_discs, tmp_path, OPTIONS), "local", use_gpu=False))
