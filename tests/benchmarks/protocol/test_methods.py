"""Every row against scipy and scikit-learn, on features small enough to compare all with all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from softcore_benchmarks.baselines.cflow import Environment
from softcore_benchmarks.protocol.methods import LOF_KS, METHODS, TAUS, Images, Task
from softcore_export.contamination.estimate import estimate_contamination
from softcore_export.settings import ExportSettings
from softcore_export.train import fit

SIDE, DIM, CROP = 4, 10, 32
N, M = 40, 7


def images(seed: int, n: int, defects: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, SIDE * SIDE, DIM)).astype(np.float32)
    features[n - defects :, 5:9] += 4
    other = np.concatenate([features, rng.normal(size=features.shape)], axis=2).astype(np.float32)
    return Images(features, other, np.zeros((n, CROP, CROP, 3), np.uint8))


@pytest.fixture
def train() -> Images:
    return images(0, N, defects=2)


@pytest.fixture
def test() -> Images:
    return images(1, M, defects=3)


def run(name: str, train: Images, test: Images, **settings: object) -> dict[str, np.ndarray]:
    """Image scores of a method's rows; with ratio 1 the coreset is all that is kept."""
    chosen = ExportSettings.model_validate({"coreset_ratio": 1.0, **settings})
    scores = METHODS[name].fit(Task(train, chosen, Environment(Path("none"), "resnet18", None)))(test)
    assert tuple(scores) == METHODS[name].rows
    return {row: found.images for row, found in scores.items()}


def score(test: Images, bank: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The highest weighted distance of each image's patches to the bank, by scipy."""
    apart = cdist(test.features.reshape(-1, DIM), bank)
    soft = np.ones(len(bank)) if weights is None else weights
    patches = soft[apart.argmin(axis=1)] * apart.min(axis=1)
    return np.asarray(patches.reshape(M, -1).max(axis=1))


def outlier_factors(train: Images, discriminator: str, k: int = 6) -> np.ndarray:
    """By scikit-learn and scipy, `[N, P]`."""
    factors = np.empty((N, SIDE * SIDE))
    for position in range(SIDE * SIDE):
        x = train.features[:, position].astype(float)
        if discriminator == "lof":
            factors[:, position] = -LocalOutlierFactor(k).fit(x).negative_outlier_factor_
        elif discriminator == "nearest":
            factors[:, position] = NearestNeighbors(n_neighbors=1).fit(x).kneighbors()[0][:, 0]
        else:
            inverse = np.linalg.inv(np.cov(x, rowvar=False) + 0.01 * np.eye(DIM))
            factors[:, position] = [mahalanobis(patch, x.mean(axis=0), inverse) for patch in x]
    return factors


def smooth_maps(patches: np.ndarray) -> np.ndarray:
    """Bilinear to the crop, then a Gaussian of sigma 4, by scipy."""
    fine = CROP / SIDE
    at = (np.arange(CROP) + 0.5) / fine - 0.5
    rows, columns = np.meshgrid(at, at, indexing="ij")
    maps = [
        ndimage.map_coordinates(p.reshape(SIDE, SIDE).astype(float), [rows, columns], order=1, mode="nearest")
        for p in patches
    ]
    return np.stack([ndimage.gaussian_filter(m, 4, mode="reflect") for m in maps])


def padim(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Maps of PaDiM, by scipy."""
    distances = np.empty(test.shape[:2])
    for position in range(SIDE * SIDE):
        x = train[:, position].astype(float)
        inverse = np.linalg.inv(np.cov(x, rowvar=False) + 0.01 * np.eye(x.shape[1]))
        distances[:, position] = [mahalanobis(p, x.mean(axis=0), inverse) for p in test[:, position]]
    return smooth_maps(distances)


def test_patchcore(train: Images, test: Images) -> None:
    expected = score(test, train.features.reshape(-1, DIM))
    np.testing.assert_allclose(run("patchcore", train, test)["PatchCore"], expected, rtol=1e-5)


def test_patchcore_with_a_smaller_bank_is_farther_from_everything(train: Images, test: Images) -> None:
    found = run("patchcore", train, test, coreset_ratio=0.1)["PatchCore"]
    assert (found >= run("patchcore", train, test)["PatchCore"] - 1e-5).all()
    assert (found > run("patchcore", train, test)["PatchCore"] + 1e-3).any()


def test_patchcore_random(train: Images) -> None:
    """The bank is 1 % of the 640 patches, drawn by the seed."""
    everything = train.features.reshape(-1, DIM)
    found = run("patchcore-random", train, Images(train.features[:M], train.resnet18[:M], train.crops[:M]))
    images = found["PatchCore-1 %-random"]
    apart = cdist(train.features[:M].reshape(-1, DIM), everything)
    generator = np.random.default_rng(0)
    drawn = generator.choice(np.arange(len(everything)), 6, replace=False)
    expected = apart[:, drawn].min(axis=1).reshape(M, -1).max(axis=1)
    np.testing.assert_allclose(images, expected, rtol=1e-5)


@pytest.mark.parametrize("discriminator", ["nearest", "gaussian", "lof"])
def test_softcore(discriminator: str, train: Images, test: Images) -> None:
    factors = outlier_factors(train, discriminator)
    kept = factors.ravel().argsort(kind="stable")[: factors.size - int(0.15 * factors.size)]
    bank = train.features.reshape(-1, DIM)[kept]
    ratios = factors if discriminator == "lof" else (1 + factors / np.median(factors, axis=0)) / 2
    weights = np.clip(ratios, 0.5, 2).ravel()[kept]
    found = run(f"softcore-{discriminator}", train, test)
    plain, soft = found[f"SoftCore-{discriminator}, no weights"], found[f"SoftCore-{discriminator}"]
    np.testing.assert_allclose(plain, score(test, bank), rtol=1e-5)
    np.testing.assert_allclose(soft, score(test, bank, weights), rtol=1e-5)
    assert (abs(soft - plain) > 1e-3).any()


def test_softcore_by_itself(train: Images, test: Images) -> None:
    """It leaves out what is judged suspect, not a share that it is told, and weighs nothing."""
    kept = estimate_contamination(train.features, (SIDE, SIDE), torch.device("cpu")).kept
    assert 0 < (~kept).sum() < kept.size / 2
    expected = score(test, train.features[kept])
    found = run("softcore-auto-no-floors", train, test)["SoftCore-auto, no floors"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (abs(expected - score(test, train.features.reshape(-1, DIM))) > 1e-3).any()


def test_softcore_by_itself_has_floors(train: Images) -> None:
    """A training image is no excuse for itself."""
    settings = ExportSettings(coreset_ratio=1.0, discriminator="auto")
    learned = fit(train.features, (SIDE, SIDE), settings, torch.device("cpu"))
    same = train.select(np.arange(N - M, N))
    apart = cdist(same.features.reshape(-1, DIM), learned.bank)
    expected = np.maximum(apart, learned.floors).min(axis=1).reshape(M, -1).max(axis=1)
    found = run("softcore-auto", train, same)["SoftCore-auto"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    without = run("softcore-auto-no-floors", train, same)["SoftCore-auto, no floors"]
    assert (found >= without).all()
    assert (found > without + 1e-3).any()


def test_lofs_k_and_tau_are_their_rows(train: Images, test: Images) -> None:
    for k in LOF_KS:
        found = run(f"lof-k-{k}", train, test)[f"LOF, k = {k}"]
        np.testing.assert_array_equal(found, run("softcore-lof", train, test, lof_k=k)["SoftCore-lof"])
    for tau in TAUS:
        found = run(f"lof-tau-{tau}", train, test)[f"LOF, tau = {tau}"]
        np.testing.assert_array_equal(found, run("softcore-lof", train, test, tau=tau)["SoftCore-lof"])


def test_padim(train: Images, test: Images) -> None:
    expected = padim(train.features, test.features).max(axis=(1, 2))
    np.testing.assert_allclose(run("padim", train, test)["PaDiM"], expected, rtol=1e-4)


def test_padim_star_looks_with_resnet18(train: Images, test: Images) -> None:
    expected = padim(train.resnet18, test.resnet18).max(axis=(1, 2))
    np.testing.assert_allclose(run("padim-star", train, test)["PaDiM*"], expected, rtol=1e-4)


@pytest.mark.parametrize("after", ["PatchCore", "PaDiM"])
def test_image_level_denoising_leaves_the_most_suspect_images_out(
    after: str, train: Images, test: Images
) -> None:
    suspicion = padim(train.resnet18, train.resnet18).max(axis=(1, 2))
    rest = np.sort(np.argsort(suspicion)[: N - 6])  # 15 % of 40
    found = run(f"padim-star-denoised-{after.lower()}", train, test)[f"PaDiM*-denoised {after}"]
    if after == "PatchCore":
        expected = score(test, train.features[rest].reshape(-1, DIM))
    else:
        expected = padim(train.features[rest], test.features).max(axis=(1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_maps_are_the_patch_scores_drawn_large(train: Images, test: Images) -> None:
    settings = ExportSettings(coreset_ratio=1.0)
    task = Task(train, settings, Environment(Path("none"), "resnet18", None))
    maps = METHODS["softcore-lof"].fit(task)(test)["SoftCore-lof, no weights"].draw_maps()
    factors = outlier_factors(train, "lof")
    kept = factors.ravel().argsort(kind="stable")[: factors.size - int(0.15 * factors.size)]
    apart = cdist(test.features.reshape(-1, DIM), train.features.reshape(-1, DIM)[kept]).min(axis=1)
    assert maps.shape == (M, CROP, CROP)
    np.testing.assert_allclose(maps, smooth_maps(apart.reshape(M, -1)), rtol=1e-3)
