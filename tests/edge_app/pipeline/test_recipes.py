from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_runtime import BundleError, Decision, Inspector, UsageError
from softcore_runtime.bundle.bundle import read_manifest, record_files, write_manifest
from softcore_runtime.bundle.manifest import seal_of
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold
from softcore_runtime.search.hnsw import HnswIndex


def test_the_first_is_in_use_and_each_switch_loads_anew(tiny_bundle: Path) -> None:
    recipes = Recipes({"a": tiny_bundle, "b": tiny_bundle}, SharedInspectors(Inspector.load))
    first = recipes.current
    assert (first.name, recipes.names) == ("a", ("a", "b"))
    assert first.checks is not None
    assert recipes.switch("b") is recipes.current is not first
    loaded = first.inspector
    assert recipes.switch("a").inspector is not loaded


def test_one_that_cannot_be_used_leaves_the_one_in_use(tiny_bundle: Path) -> None:
    recipes = Recipes({"a": tiny_bundle}, SharedInspectors(Inspector.load), unchecked=True)
    before = recipes.current
    assert before.checks is None
    (tiny_bundle / "golden" / "scores.json").write_text("[]")
    with pytest.raises(BundleError):
        recipes.switch("a")
    with pytest.raises(UsageError, match="no recipe 'c'; there are: a"):
        recipes.switch("c")
    assert recipes.current is before


def cut_links(path: Path) -> None:
    """Let the index's links lead beyond its last entry; searching it would end the process."""
    data = bytearray((path / "index.hnsw").read_bytes())
    data[100:104] = b"\xff\xff\xff\x7f"
    (path / "index.hnsw").write_bytes(data)


def cut_short(path: Path) -> None:
    data = (path / "index.hnsw").read_bytes()
    (path / "index.hnsw").write_bytes(data[: len(data) // 2])


def swap_index(path: Path) -> None:
    """Take a sound index of another bank."""
    bank = np.random.default_rng(0).permutation(np.load(path / "bank.npy"))[:500]
    HnswIndex.build(bank, m=8, ef_construction=20, seed=0).save(path / "index.hnsw")


def weigh_nothing(path: Path) -> None:
    np.save(path / "weights.npy", np.zeros_like(np.load(path / "weights.npy")))


@pytest.mark.parametrize("damage", [cut_links, cut_short, swap_index, weigh_nothing])
def test_a_damaged_bundle_leaves_the_recipe_in_use_though_sealed(
    tiny_bundle: Path, tmp_path: Path, bad_frame: np.ndarray, damage: Callable[[Path], None]
) -> None:
    other = Path(shutil.copytree(tiny_bundle, tmp_path / "other"))
    damage(other)
    sealed = read_manifest(other).model_copy(update={"files": record_files(other)})
    write_manifest(other, sealed)
    recipes = Recipes({"a": tiny_bundle, "b": other}, SharedInspectors(Inspector.load))
    before = recipes.current
    with pytest.raises(BundleError):
        recipes.switch("b")
    assert recipes.current is before
    assert before.inspect(bad_frame).decision is Decision.FAIL


def test_what_a_library_raises_is_told_as_the_bundles_fault(tiny_bundle: Path) -> None:
    recipes = Recipes({"a": tiny_bundle}, SharedInspectors(Inspector.load))
    before = recipes.current
    for error, said in ((MemoryError(), "MemoryError"), (RuntimeError("no room"), "no room")):
        recipes._inspectors._load = Mock(side_effect=error)
        with pytest.raises(BundleError, match=rf"tiny: can't be opened \({said}\)"):
            recipes.switch("a")
        assert recipes.current is before


def test_the_first_must_be_usable(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        Recipes({"a": tmp_path}, SharedInspectors(Inspector.load))


def test_a_threshold_is_taken_up_between_two_decisions(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    recipe = Recipes({"a": tiny_bundle}, SharedInspectors(Inspector.load)).current
    before = recipe.inspector.manifest
    set_threshold(tiny_bundle, Threshold(value=11.0, provisional=False, method="by hand"), before)
    inspect, begun, go = recipe.inspector.inspect, threading.Event(), threading.Event()

    def hold_up(*given: Any) -> Any:
        begun.set()
        assert go.wait(60)
        return inspect(*given)

    recipe.inspector.inspect = hold_up  # type: ignore[method-assign]
    with ThreadPoolExecutor() as pool:
        deciding = pool.submit(recipe.inspect, good_frame)
        assert begun.wait(60)
        recipe.reload_threshold(lambda: True)  # it doesn't wait for ever
        taking = pool.submit(recipe.reload_threshold, lambda: False)
        time.sleep(0.3)
        assert not taking.done()
        go.set()
        result = deciding.result(60)
        taking.result(60)
    assert (result.threshold, result.seal) == (12.0, seal_of(before))
    after = recipe.inspect(good_frame)
    assert (after.threshold, after.seal) == (11.0, recipe.inspector.seal)
    assert after.seal != result.seal


def test_a_threshold_that_cannot_be_read_leaves_the_one_in_use(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = Recipes({"a": tiny_bundle}, SharedInspectors(Inspector.load)).current
    (tiny_bundle / "manifest.json").write_text("{}")
    recipe.reload_threshold(lambda: False)
    recipe.reload_threshold(lambda: False)  # its lock was given back
    assert recipe.inspector.manifest.threshold.value == 12.0
    assert "manifest.json" in caplog.text


@pytest.mark.parametrize(
    ("value", "mask", "said"),
    [
        (1e9, None, "no golden frame fails"),
        (11.0, b"no image", "mask-"),
        (11.0, bytes(cv2.imencode(".png", np.full((9, 9, 3), 255, np.uint8))[1]), "leaves nothing"),
    ],
)
def test_a_threshold_that_cannot_be_used_leaves_the_one_in_use(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture, value: float, mask: bytes | None, said: str
) -> None:
    recipe = Recipes({"a": tiny_bundle}, SharedInspectors(Inspector.load)).current
    exported = recipe.inspector.manifest
    threshold = exported.threshold.model_copy(update={"value": value})
    if mask is None:
        write_manifest(tiny_bundle, exported.model_copy(update={"threshold": threshold}))
    else:
        set_threshold(tiny_bundle, threshold, exported, mask)
    recipe.reload_threshold(lambda: False)
    recipe.reload_threshold(lambda: False)
    assert recipe.inspector.manifest == exported
    assert [said in record.message for record in caplog.records] == [True]
