from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_runtime.bundle import read_bundle, read_manifest, read_mask, record_files, write_manifest
from softcore_runtime.errors import BundleCorruptError, UsageError
from softcore_runtime.limit import revert_threshold, set_threshold


def test_a_limit_is_set_and_the_one_before_is_kept(tiny_bundle: Path) -> None:
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
    with pytest.raises(UsageError, match="no earlier limit to go back to; this one was set at export"):
        revert_threshold(tiny_bundle)
    assert sorted(path.name for path in tiny_bundle.iterdir() if path.name.startswith(".")) == []


def test_a_mask_is_sealed_and_goes_with_its_limit(tiny_bundle: Path) -> None:
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
        read_bundle(tiny_bundle)  # as every file of a bundle, also those of earlier limits


def test_two_cannot_set_a_limit_at_once(tiny_bundle: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from softcore_runtime import bundle, limit\n"
        f"with limit._alone(Path({str(tiny_bundle)!r})): print('in', flush=True); sys.stdin.read()"
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


def test_a_limit_for_another_export_is_refused(tiny_bundle: Path) -> None:
    exported = read_manifest(tiny_bundle)
    np.save(tiny_bundle / "weights.npy", np.load(tiny_bundle / "weights.npy") * np.float32(2))
    write_manifest(tiny_bundle, exported.model_copy(update={"files": record_files(tiny_bundle)}))
    with pytest.raises(BundleCorruptError, match="was exported anew while its limit was chosen"):
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


def test_killed_at_any_moment_the_old_limit_or_the_new_is_there_whole(tiny_bundle: Path) -> None:
    """Each round a process that sets limits without end is killed a little later."""
    script = (
        "from pathlib import Path; from softcore_runtime import bundle, limit\n"
        f"path = Path({str(tiny_bundle)!r}); manifest = bundle.read_manifest(path)\n"
        "print('in', flush=True)\n"
        "for number in range(10**6):\n"
        "    new = manifest.threshold.model_copy(update={'value': 1.0 + number % 7})\n"
        "    limit.set_threshold(path, new, manifest, bytes([137, number % 5]))\n"
        "    limit.revert_threshold(path)\n"
    )
    seen = set()
    for round_ in range(20):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "in\n"
            time.sleep(0.0013 * round_)
            process.kill()
        found = read_bundle(tiny_bundle).manifest
        assert len(found.history) == 0 or found.history[0].value == 12
        assert found.threshold.value in {12, *range(1, 8)}
        seen.add(len(found.history))
    assert len(seen) > 3  # it was killed after either
    set_threshold(tiny_bundle, found.threshold, found)
    assert [path.name for path in tiny_bundle.iterdir() if path.name.startswith(".")] == []
