from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from softcore_benchmarks.research import draws
from softcore_benchmarks.research.draws import draw

from ..conftest import SMALL

P, D = 36, 8


@pytest.fixture
def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """40 good images to train on; of 20 to test on, the last ten have a defect."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(1, P, D)) * 3
    train = np.asarray(means + 0.5 * rng.normal(size=(40, P, D)), np.float32)
    test = np.asarray(means + 0.5 * rng.normal(size=(20, P, D)), np.float32)
    bad = np.arange(20) >= 10
    test[bad, 7:12] += np.asarray(rng.normal(size=(10, 1, D)) * 4, np.float32)
    return train, test, bad


def test_figures_are_those_of_brute_force(images: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """With every patch in the coreset nothing is left to chance."""
    train, test, bad = images
    injected = np.array([11, 14, 17])
    measured = draw(train, test, bad, injected, ratio=1)

    def rank(bank: np.ndarray, rows: np.ndarray) -> float:
        scores = np.array([cdist(image, bank).min(axis=1).max() for image in test])
        good, defective = scores[rows & ~bad], scores[rows & bad]
        return float((defective[:, None] > good).mean() + 0.5 * (defective[:, None] == good).mean())

    everything = np.concatenate([train, test[injected]]).reshape(-1, D)
    every, left = np.ones(20, bool), ~np.isin(np.arange(20), injected)
    assert measured["patchcore"] == pytest.approx(rank(everything, every))
    assert measured["patchcore, no overlap"] == pytest.approx(rank(everything, left))
    assert measured["oracle"] == pytest.approx(rank(train.reshape(-1, D), every))
    assert measured["oracle"] == measured["default"] == pytest.approx(1)
    assert measured["patchcore"] < 0.9
    assert (measured["ranking"], measured["flagged"]) == (1, 1)
    assert measured["truth"] == pytest.approx(3 / 43)
    assert measured["low"] <= measured["truth"] <= measured["high"]


def test_without_noise_nothing_is_lost(images: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    train, test, bad = images
    measured = draw(train, test, bad, np.array([], np.int64), ratio=0.5)
    assert measured["default"] == measured["patchcore"] == measured["oracle"] == pytest.approx(1)
    assert "ranking" not in measured
    assert measured["overkill"] <= 0.025


def test_one_command_writes_a_page(
    root: Path, resnet18: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "Preprocessing", lambda: SMALL)
    arguments = ["--data", root, "--categories", "waves", "--weights", resnet18, "--out", tmp_path]
    assert draws.main([*(str(word) for word in arguments)]) == 0
    rows = pd.read_csv(tmp_path / "results" / "draws.csv")
    assert rows["noise"].tolist() == [0, *[0.1] * 3, *[0.2] * 3, *[0.4] * 3]
    assert rows["default, no overlap"].isna().tolist() == [False] * 7 + [True] * 3  # all six are in training
    page = (tmp_path / "DRAWS.md").read_text()
    for words in ("## Overlap", "## No overlap", "| waves", "oracle"):
        assert words in page
    assert draws.main(["--data", str(tmp_path / "none"), "--weights", str(resnet18)]) == 2
