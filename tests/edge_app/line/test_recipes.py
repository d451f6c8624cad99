from __future__ import annotations

from pathlib import Path

import pytest
from softcore_edge_app.line.recipes import Recipes
from softcore_runtime import BundleError, Inspector, UsageError


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
