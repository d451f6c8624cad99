"""What a calibration is made of has an example in its docstring, which prints what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from softcore_calibration import bounds, calibration, scores
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import open_cache
from softcore_calibration.data.scoring import score_samples
from softcore_calibration.objective import Objective
from softcore_runtime import Inspector
from softcore_runtime.bundle.training import read_training

from ..examples import find_documented, has_example, type_example

NUMBERS = {**find_documented(bounds), **find_documented(scores)}
PUBLIC = {**NUMBERS, **find_documented(calibration)}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_has_an_example(name: str) -> None:
    assert has_example(PUBLIC[name])


@pytest.mark.parametrize("name", NUMBERS)
def test_an_example_of_numbers_prints_what_it_says(name: str) -> None:
    assert not type_example(name, PUBLIC[name], {**vars(bounds), **vars(scores)})


@pytest.mark.parametrize("name", find_documented(calibration))
def test_an_example_prints_what_it_says(name: str, tiny_bundle: Path, category: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    known: dict[str, Any] = {**vars(calibration), "inspector": inspector, "Objective": Objective}
    with open_cache(inspector, None) as cache:
        known["scoring"] = score_samples(inspector, find_samples([(category, None)]), cache)
    known["training"] = read_training(tiny_bundle)
    assert not type_example(name, PUBLIC[name], known)
