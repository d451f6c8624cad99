from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_runtime.bundle.bundle import read_bundle, read_manifest, record_files, write_manifest
from softcore_runtime.bundle.image_files import read_mask
from softcore_runtime.bundle.threshold_change import revert_threshold, set_threshold
from softcore_runtime.errors import BundleCorruptError, UsageError


def test_a_threshold_is_set_and_the_one_before_is_kept(tiny_bundle: Path) -> None:
    exported = read_manifest(tiny_bundle)
    mode = (tiny_bundle / "manifest.json").stat().st_mode
    first = exported.threshold.model_copy(update={"value": 3.5, "provisional": False})
    second = exported.threshold.model_copy(update={"value": 4.5, "provisional": False})
    set_threshold(tiny_bundle, first, exported)
    now = set_threshold(tiny_bundle, second, exported)
    assert read_bundle(tiny_bundle).manifest == now
    assert now.threshold == second
    assert now.history == (exported.threshold, first)
    assert (tiny_bundle / "manifest.json").stat().st_mode == mode  # the line's own user reads it, too
    assert revert_threshold(tiny_bundle) == (second, first)
    assert revert_threshold(tiny_bundle) == (first, exported.threshold)
    assert read_manifest(tiny_bundle) == exported
    with pytest.raises(UsageError, match="no earlier threshold to go back to; this one was set at export"):
        revert_threshold(tiny_bundle)
    assert sorted(path.name for path in tiny_bundle.iterdir() if path.name.startswith(".")) == []


def test_a_mask_is_sealed_and_goes_with_its_threshold(tiny_bundle: Path) -> None:
    exported = read_manifest(tiny_bundle)
    masks = [cv2.imencode(".png", np.full((9, 9, 3), level, np.uint8))[1].tobytes() for level in (0, 1)]
    for mask in masks:
        set_threshold(tiny_bundle, exported.threshold, exported, mask)
    manifest = read_bundle(tiny_bundle).manifest
    seen = read_mask(tiny_bundle, manifest)
    assert seen is not None
    assert (seen == 1).all()
    revert_threshold(tiny_bundle)
    earlier = read_mask(tiny_bundle, read_bundle(tiny_bundle).manifest)
    assert earlier is not None
    assert (earlier == 0).all()
    name = manifest.threshold.mask
    assert name
    (tiny_bundle / name).write_bytes(masks[0])
    with pytest.raises(BundleCorruptError, match=name):
        read_mask(tiny_bundle, manifest)
    with pytest.raises(BundleCorruptError, match=name):
        read_bundle(tiny_bundle)  # as every file of a bundle, also those of earlier thresholds


def test_two_cannot_set_a_threshold_at_once(tiny_bundle: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from softcore_runtime.bundle import threshold_change\n"
        f"with threshold_change._lock_bundle(Path({str(tiny_bundle)!r})):\n"
        "    print('in', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    manifest = read_manifest(tiny_bundle)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "in\n"
        with pytest.raises(UsageError, match="just being set by someone else; try again"):
            set_threshold(tiny_bundle, manifest.threshold, manifest)
        other.kill()  # its lock ends with it
    set_threshold(tiny_bundle, manifest.threshold, manifest)


def test_a_threshold_for_another_export_is_refused(tiny_bundle: Path) -> None:
    exported = read_manifest(tiny_bundle)
    np.save(tiny_bundle / "weights.npy", np.load(tiny_bundle / "weights.npy") * np.float32(2))
    write_manifest(tiny_bundle, exported.model_copy(update={"files": record_files(tiny_bundle)}))
    with pytest.raises(BundleCorruptError, match="was exported anew while its threshold was chosen"):
        set_threshold(tiny_bundle, exported.threshold, exported)


@pytest.mark.parametrize("how", ["read-only", "full"])
def test_a_bundle_that_cannot_be_written_stays_as_it_was(
    tiny_bundle: Path, small_disk: Callable[..., Path], how: str
) -> None:
    disk = small_disk(1 << 20)
    path = Path(shutil.copytree(tiny_bundle, disk / "tiny"))
    exported = read_manifest(path)
    if how == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    else:
        with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
    before = (path / "manifest.json").read_bytes()
    with pytest.raises(UsageError, match=r"manifest\.json: can't be written \(.*\); nothing was changed"):
        set_threshold(path, exported.threshold, exported)
    assert (path / "manifest.json").read_bytes() == before
    assert sorted(file.name for file in path.iterdir()) == sorted(file.name for file in tiny_bundle.iterdir())


# Forks a process for each round; that takes a step for each byte that it is sent.
KILLS = """
import json, os, signal, sys, time
from pathlib import Path
from softcore_runtime.bundle import bundle, threshold_change

path = Path(sys.argv[1])
manifest = bundle.read_manifest(path)
found = []
for number in range(40):
    orders, order = os.pipe()
    reports, report = os.pipe()
    child = os.fork()
    if not child:
        while True:
            os.read(orders, 1)
            new = manifest.threshold.model_copy(update={"value": 1.0 + number % 7})
            threshold_change.set_threshold(path, new, manifest, bytes([137, number % 5]))
            os.write(report, b".")
            os.read(orders, 1)
            threshold_change.revert_threshold(path)
            os.write(report, b".")
    for _ in range(number % 4):
        os.write(order, b".")
        os.read(reports, 1)
    os.write(order, b".")
    time.sleep(0.0005 * (number // 4))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for handle in (orders, order, reports, report):
        os.close(handle)
    there = bundle.read_bundle(path).manifest
    found.append([old.value for old in (*there.history, there.threshold)])
print(json.dumps(found))
"""


def test_killed_at_any_moment_the_old_threshold_or_the_new_is_there_whole(tiny_bundle: Path) -> None:
    """A process that sets a threshold and reverts it is killed within a step, each round a little later."""
    command = [sys.executable, "-c", KILLS, str(tiny_bundle)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 40
    for values in found:
        assert values[0] == 12
        assert set(values) <= {12, *range(1, 8)}
    assert len({len(values) for values in found}) > 3  # it was killed after either
    manifest = read_bundle(tiny_bundle).manifest
    set_threshold(tiny_bundle, manifest.threshold, manifest)
    assert [path.name for path in tiny_bundle.iterdir() if path.name.startswith(".")] == []
