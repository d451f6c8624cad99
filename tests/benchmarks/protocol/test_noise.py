from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_benchmarks.protocol.noise import NOISES, count_defects, draw_noise
from softcore_runtime.errors import DataError


def test_it_is_the_protocol_to_the_letter() -> None:
    paths = [Path(f"test/{kind}/{number:03}.png") for kind in ("b", "a", "good") for number in range(20)]
    expected = sorted(paths[:40])
    random.Random(0).shuffle(expected)  # noqa: S311
    drawn = draw_noise(paths, np.arange(40), 90, 0.1)
    assert [paths[row] for row in drawn] == expected[:9]
    assert draw_noise(paths, np.arange(40), 90, 0).tolist() == []


@given(n_train=st.integers(1, 300), noise=st.sampled_from(NOISES), defects=st.integers(0, 200))
def test_more_noise_only_adds(n_train: int, noise: float, defects: int) -> None:
    paths, rows = [Path(f"{number:04}.png") for number in range(defects)], np.arange(defects)
    k = count_defects(n_train, noise)
    if k > defects:
        with pytest.raises(DataError, match=f"not enough defects: {k} wanted, {defects} there"):
            draw_noise(paths, rows, n_train, noise)
        return
    drawn = draw_noise(paths, rows, n_train, noise).tolist()
    assert len(set(drawn)) == len(drawn) == k
    fewer = draw_noise(paths, rows, n_train, 0.05 * bool(noise)).tolist()
    assert fewer[:k] == drawn[: round(0.05 * n_train)]


def test_another_seed_draws_others() -> None:
    paths, rows = [Path(f"{number:04}.png") for number in range(50)], np.arange(50)
    assert set(draw_noise(paths, rows, 50, 0.2, seed=1)) != set(draw_noise(paths, rows, 50, 0.2))
