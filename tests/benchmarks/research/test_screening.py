from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from softcore_benchmarks.research.sandbox import DataSet, Sandbox
from softcore_benchmarks.research.screening import ATTEMPTS, DEFAULT, ORACLE, PATCHCORE, Attempt
from softcore_export.memory_bank.discriminator import denoise, soft_weights

BY_NAME = {attempt.name: attempt for attempt in ATTEMPTS}


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    """40 training images, 4 more with a defect of their own; 10 good and 20 bad ones to test."""
    rng = np.random.default_rng(0)
    place = rng.normal(size=(1, 16, 8))
    train, test = (place + rng.normal(0, 0.1, (n, 16, 8)) for n in (40, 30))
    bad = np.arange(30) >= 10
    test[bad, 6] += rng.normal(size=(20, 8))
    paths = tuple(Path(f"{'z' if flaw else 'a'}/{i:02}.png") for i, flaw in enumerate(bad))
    data = DataSet("toy", train.astype(np.float32), test.astype(np.float32), bad, paths, 0.3)
    return Sandbox(data, 0.1, "tune", 0, tmp_path)


def test_names_are_rows_of_their_own() -> None:
    assert len(BY_NAME) == len(ATTEMPTS)
    assert {PATCHCORE, ORACLE, DEFAULT} < set(BY_NAME)
    assert all(attempt.what.endswith(".") for attempt in ATTEMPTS)
    assert all(attempt.verdict.endswith(".") for attempt in ATTEMPTS if attempt.verdict)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
def test_every_attempt_scores_all_test_images(attempt: Attempt, box: Sandbox) -> None:
    scores = attempt.score(box)
    assert scores.shape == (30,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert box.measure(scores)[1] > 0.7  # the defects that aren't in training are easy


def test_finding_the_injected_ones_is_as_good_as_knowing_them(box: Sandbox) -> None:
    reached = {name: box.measure(BY_NAME[name].score(box))[0] for name in (PATCHCORE, ORACLE, DEFAULT)}
    assert reached[PATCHCORE] < 0.9
    assert reached[ORACLE] == pytest.approx(1, abs=0.02)
    assert reached[DEFAULT] == pytest.approx(reached[ORACLE], abs=0.02)
    assert box.measure(BY_NAME["most suspect 10 %"].score(box))[0] == pytest.approx(reached[ORACLE], abs=0.02)
    assert box.measure(BY_NAME["fixed robust cut"].score(box))[0] > reached[PATCHCORE]


def test_the_papers_rule_is_the_papers(box: Sandbox) -> None:
    factors = box.factors("lof")
    expected = box.score(denoise(factors, 0.15), soft_weights(factors, "lof"))
    assert_array_equal(BY_NAME["lof, tau 0.15, weights"].score(box), expected)
    assert (BY_NAME["lof, tau 0.15"].score(box) != expected).any()


def test_a_second_image_is_another_one(box: Sandbox) -> None:
    # An injected image is its own nearest one, at 0; the second is what remains.
    drawn = box.drawn
    assert BY_NAME["second image"].score(box)[drawn].min() > 3 * box.score()[drawn].max()
