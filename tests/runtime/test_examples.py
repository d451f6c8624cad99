"""What is public in the runtime has an example in its docstring, which prints what it says."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import softcore_runtime
from softcore_runtime import Inspector, errors
from softcore_runtime.bundle import bundle, manifest, threshold_change
from softcore_runtime.exam.exam import ExamPart

from ..examples import find_documented, has_example, type_example

PUBLIC = {"softcore_runtime": softcore_runtime, **find_documented(softcore_runtime)}
PART = ExamPart(
    sha256="1" * 64, bytes=9, name="bad/03.png", label="bad", marked="export", training=False, score=20,
    threshold=12, decision="FAIL", exported=datetime(2026, 1, 1, tzinfo=timezone.utc),
)  # fmt: skip
LIBRARIES = ("openvino", "ort")  # modules that import a library which may not be here


def find_more() -> dict[str, Any]:
    """Find the examples of what is public in a module of the package, but not in the package itself."""
    walked = pkgutil.walk_packages(softcore_runtime.__path__, "softcore_runtime.")
    names = [module.name for module in walked]
    modules = [importlib.import_module(name) for name in names if name.rpartition(".")[2] not in LIBRARIES]
    found = {name: thing for module in modules for name, thing in find_documented(module).items()}
    return {name: thing for name, thing in found.items() if has_example(thing) and name not in PUBLIC}


EXAMPLES = {**PUBLIC, **find_more()}


@pytest.fixture
def namespace(
    tiny_bundle: Path,
    good_frame: np.ndarray,
    bad_frame: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Any], dict[str, Any]]:
    """Gives what an example takes as known: the public names, a bundle, frames, an empty folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def give(thing: Any) -> dict[str, Any]:
        known: dict[str, Any] = dict(vars(inspect.getmodule(thing)))
        for module in (bundle, errors, threshold_change, manifest, softcore_runtime):
            known.update({name: getattr(module, name) for name in module.__all__})
        known.update(path=tiny_bundle, folder=folder, frame=good_frame, bad_frame=bad_frame)
        known.update(Path=Path, np=np, cv2=cv2, part=PART)
        text = inspect.getdoc(thing) or ""
        if "inspector" in text:
            known["inspector"] = Inspector.load(tiny_bundle, threads=1, self_test=False)
        if "bundle." in text:
            known["bundle"] = bundle.read_bundle(tiny_bundle)
        return known

    return give


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_has_an_example(name: str) -> None:
    assert has_example(PUBLIC[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(name: str, namespace: Callable[[Any], dict[str, Any]]) -> None:
    assert not type_example(name, EXAMPLES[name], namespace(EXAMPLES[name]))


def test_an_example_that_prints_something_else_is_found() -> None:
    def fine() -> None:
        """Do nothing.

        Example:
            >>> 1 + 1
            2
        """

    def wrong() -> None:
        """Do nothing.

        Example:
            >>> 1 + 1
            3
        """

    def without() -> None:
        """Do nothing. >>> Not an example."""

    assert [has_example(thing) for thing in (fine, wrong, without)] == [True, True, False]
    assert not type_example("fine", fine, {})
    assert "Expected:\n    3\nGot:\n    2" in type_example("wrong", wrong, {})
