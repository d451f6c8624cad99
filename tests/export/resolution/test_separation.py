"""Separation at several resolutions, with a network that gives the pixels themselves."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from softcore_export.resolution.separation import (
    Scores,
    SmallBank,
    Subject,
    bound_gain,
    fit_banks,
    measure_farthest,
    score_labelled,
    score_synthetic,
)
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.images.windows import Region, Size, Windows


class Pixels:
    """A backbone whose patches are cells of 4 x 4 pixels."""

    def features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        n, side = crops.shape[:2]
        cells = crops.reshape(n, side // 4, 4, side // 4, 4, 3).transpose(0, 1, 3, 2, 4, 5)
        return np.ascontiguousarray(cells.reshape(n, (side // 4) ** 2, 48), np.float32)


def make_subject(side: int, preprocessing: Preprocessing | None = None) -> Subject:
    return Subject(cast(Backbone, Pixels()), preprocessing or Preprocessing(resize=side, crop=side))


def write_images(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Write images of fine grain: a stripe one pixel wide vanishes where they are shrunk."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        image = rng.integers(100, 130, (128, 128, 3), np.uint8)
        paths.append(folder / f"{number:03}.png")
        assert cv2.imwrite(str(paths[-1]), image)
    return paths


def test_the_auroc_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0, 1, 40), rng.normal(1, 1, 90)
    expected = roc_auc_score([0] * 40 + [1] * 90, [*good, *bad])
    assert Scores(good, bad).auroc == pytest.approx(expected)


def test_the_interval_of_a_gain_narrows_with_the_number_of_defects() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (4, 64):
        good, defective = rng.normal(size=60), rng.normal(1, size=count)
        usual = Scores(good, defective)
        low, high = bound_gain(usual, Scores(good, defective + 0.3))
        assert low <= roc(good, defective + 0.3) - roc(good, defective) <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    low, high = bound_gain(Scores(good, defective), Scores(good, rng.normal(1, size=64)))
    assert low < 0 < high  # chance alone


def roc(good: NDArray[np.float64], defective: NDArray[np.float64]) -> float:
    """Scikit-learn's AUROC."""
    labels = np.r_[np.zeros(len(good)), np.ones(len(defective))]
    return float(roc_auc_score(labels, np.r_[good, defective]))


def test_a_small_bank_scores_by_the_farthest_patch(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 3)
    subject = make_subject(64)
    frames = [subject.preprocessing.read(path) for path in paths]
    learned = [subject.see(frame) for frame in frames]
    bank = SmallBank(subject, learned[:2], seed=0)
    # 2 x 256 patches are all entries, and the projection keeps all 48 dimensions.
    expected = cdist(learned[2], np.concatenate(learned[:2])).min(axis=1).max()
    assert bank.score(frames[2]) == pytest.approx(expected, rel=1e-4)
    assert bank.score(frames[0]) < 0.05 * expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 900), st.integers(1, 200))
def test_the_farthest_patch_is_found(seed: int, entries: int, positions: int) -> None:
    rng = np.random.default_rng(seed)
    bank = rng.normal(0, 1, (entries, 6)).astype(np.float32)
    patches = rng.normal(0, 1.5, (positions, 6)).astype(np.float32)
    found = torch.from_numpy(bank)
    expected = cdist(patches, bank).min(axis=1).max()
    halves = found.square().sum(dim=1) / 2
    assert measure_farthest(patches, found, halves) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_only_what_is_inspected_is_seen(tmp_path: Path) -> None:
    half = Windows(frame=Size(width=128, height=128), region=Region(x=0.5, y=0.0, width=0.5, height=1.0))
    subject = make_subject(64, Preprocessing(resize=64, crop=64, windows=half))
    (path,) = write_images(tmp_path / "images", 1)
    frame = subject.preprocessing.read(path)
    inside = subject.outline(frame)
    assert inside.mean() == pytest.approx(0.5, abs=0.02)
    assert not inside[:, :63].any()
    left = frame.copy()
    left[:, :60] = 0
    assert (subject.see(left) == subject.see(frame)).all()


def test_a_finer_resolution_separates_fine_defects(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 24)
    subjects = [make_subject(32), make_subject(128)]
    banks = fit_banks(subjects, paths[:12], seed=0)
    coarse, fine = score_synthetic(banks, paths[12:], seed=0)
    assert (len(coarse.good), len(coarse.defective)) == (12, 36)
    assert fine.auroc > coarse.auroc
    again = score_synthetic(banks, paths[12:], seed=0)
    assert (again[1].defective == fine.defective).all()


def test_labelled_images_are_told_apart_by_their_labels(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 10)
    bad = write_images(tmp_path / "bad", 3, first=100)
    for path in bad:
        image = cv2.imread(str(path))
        assert image is not None
        image[40:60, 40:60] = 0
        assert cv2.imwrite(str(path), image)
    banks = fit_banks([make_subject(64)], paths[:6], seed=0)
    (scores,) = score_labelled(banks, [*((p, False) for p in paths[6:]), *((p, True) for p in bad)])
    assert (len(scores.good), len(scores.defective)) == (4, 3)
    assert scores.auroc == 1


def test_images_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 6)
    paths[1].write_bytes(b"no image")
    banks = fit_banks([make_subject(64)], paths[:3], seed=0)
    paths[4].write_bytes(b"no image")
    (scores,) = score_synthetic(banks, paths[3:], seed=0)
    assert len(scores.good) == 2
    with pytest.raises(ValueError, match="no image"):
        fit_banks([make_subject(64)], [paths[1]], seed=0)
