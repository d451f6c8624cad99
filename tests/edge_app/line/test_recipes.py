from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_edge_app.frames.sources import Frame
from softcore_edge_app.line.recipes import Recipes
from softcore_runtime import BundleError, Decision, Inspector, UsageError
from softcore_runtime.limit import set_threshold
from softcore_runtime.threshold import Threshold

# What an INVALID verdict has none of.
EMPTY = dict.fromkeys(
    ("score", "bound", "share", "milliseconds", "certified_by_hint", "by_hnsw", "exact"), None
)


def test_the_first_is_in_use_and_each_switch_loads_anew(tiny_bundle: Path) -> None:
    recipes = Recipes({"a": tiny_bundle, "b": tiny_bundle}, Inspector.load)
    first = recipes.current
    assert (first.name, recipes.names) == ("a", ("a", "b"))
    assert first.checks is not None
    assert recipes.switch("b") is recipes.current is not first
    assert recipes.switch("a").inspector is not first.inspector


def test_one_that_cannot_be_used_leaves_the_one_in_use(tiny_bundle: Path) -> None:
    recipes = Recipes({"a": tiny_bundle}, Inspector.load, unchecked=True)
    before = recipes.current
    assert before.checks is None
    (tiny_bundle / "golden" / "scores.json").write_text("[]")
    with pytest.raises(BundleError):
        recipes.switch("a")
    with pytest.raises(UsageError, match="no recipe 'c'; there are: a"):
        recipes.switch("c")
    assert recipes.current is before


def test_the_first_must_be_usable(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        Recipes({"a": tmp_path}, Inspector.load)


def test_a_limit_is_taken_up_between_two_decisions(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    recipe = Recipes({"a": tiny_bundle}, Inspector.load).current
    before = recipe.inspector.manifest
    set_threshold(tiny_bundle, Threshold(value=11.0, provisional=False, method="by hand"), before)
    inspect, begun, go = recipe.inspector.inspect, threading.Event(), threading.Event()

    def hold_up(*given: Any) -> Any:
        begun.set()
        assert go.wait(60)
        return inspect(*given)

    recipe.inspector.inspect = hold_up  # type: ignore[method-assign]
    frame = Frame(1, "first", picture=good_frame)
    with ThreadPoolExecutor() as pool:
        deciding = pool.submit(recipe.decide, frame, None)
        assert begun.wait(60)
        recipe.take_up_limit(lambda: True)  # it doesn't wait for ever
        taking = pool.submit(recipe.take_up_limit, lambda: False)
        time.sleep(0.3)
        assert not taking.done()
        go.set()
        verdict, manifest, inspection = deciding.result(60)
        taking.result(60)
    assert (verdict.threshold, manifest, inspection is None) == (12.0, before, False)
    assert recipe.decide(frame, "dark")[:2] == (
        replace(verdict, decision=Decision.INVALID, reason="dark", threshold=11.0, fail_above=11.0, **EMPTY),
        recipe.inspector.manifest,
    )


def test_a_limit_that_cannot_be_read_leaves_the_one_in_use(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = Recipes({"a": tiny_bundle}, Inspector.load).current
    (tiny_bundle / "manifest.json").write_text("{}")
    recipe.take_up_limit(lambda: False)
    recipe.take_up_limit(lambda: False)  # its lock was given back
    assert recipe.inspector.manifest.threshold.value == 12.0
    assert "manifest.json" in caplog.text
