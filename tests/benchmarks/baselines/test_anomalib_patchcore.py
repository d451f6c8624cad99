from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from sklearn.neighbors import NearestNeighbors
from softcore_benchmarks.baselines.anomalib_patchcore import (
    FORMS,
    Agreement,
    AnomalibPatchcore,
    AnomalibPatchcoreError,
    Fitted,
    PatchcoreSettings,
)
from softcore_benchmarks.data.category import Category
from softcore_runtime.images.image_file import read_image
from torch.nn import functional
from torchvision.models.feature_extraction import create_feature_extractor

from ..conftest import ANOMALIB, SMALL, TRAIN

installed = pytest.mark.skipif(not ANOMALIB.is_file(), reason="needs anomalib's environment: make anomalib")


@pytest.fixture(scope="module")
def category(root: Path) -> Category:
    return Category.find(root / "stripes")


@pytest.fixture(scope="module")
def crops(category: Category) -> np.ndarray:
    return np.stack([SMALL.apply(read_image(path)) for path in category.train])


@pytest.fixture(scope="module")
def patchcore() -> Iterator[AnomalibPatchcore]:
    with AnomalibPatchcore(ANOMALIB) as running:
        yield running


@pytest.fixture(scope="module")
def fitted(patchcore: AnomalibPatchcore, crops: np.ndarray, resnet18: Path) -> Fitted:
    """Of every patch, none left out: what it must score is known."""
    settings = PatchcoreSettings(resnet18, coreset_ratio=1.0, neighbours=1, preprocessing=SMALL)
    return patchcore.fit(crops, settings)


def embed(crops: np.ndarray, weights: Path) -> np.ndarray:
    """Patch features of uint8 BGR `[n, 64, 64, 3]` by torchvision, `[n, 64, 384]`."""
    network = torchvision.models.resnet18(weights=None).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    taps = create_feature_extractor(network, ["layer2", "layer3"])
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = (torch.from_numpy(crops[..., ::-1] / 255).float() - mean) / deviation
    with torch.no_grad():
        fine, coarse = (functional.avg_pool2d(x, 3, 1, 1) for x in taps(images.permute(0, 3, 1, 2)).values())
    coarse = functional.interpolate(coarse, fine.shape[-2:], mode="bilinear")
    return torch.cat([fine, coarse], 1).flatten(2).transpose(1, 2).numpy()


@installed
def test_scores_are_those_of_an_exhaustive_search(
    patchcore: AnomalibPatchcore, fitted: Fitted, category: Category, crops: np.ndarray, resnet18: Path
) -> None:
    assert (fitted.entries, fitted.neighbours) == (TRAIN * 8 * 8, 1)
    bank = NearestNeighbors(n_neighbors=1).fit(np.concatenate(list(embed(crops, resnet18))))
    frames = np.stack([SMALL.apply(read_image(path)) for path in category.test])
    expected = [bank.kneighbors(patches)[0].max() for patches in embed(frames, resnet18)]
    np.testing.assert_allclose(patchcore.scores("torch", category.test), expected, rtol=1e-3)


@installed
def test_exported_forms_agree(patchcore: AnomalibPatchcore, fitted: Fitted, category: Category) -> None:
    scores = {form: patchcore.scores(form, category.test) for form in FORMS}
    agreements = {form: Agreement.between(scores["torch"], scores[form]) for form in FORMS}
    assert agreements["torch"].relative == 0
    assert 0 < agreements["onnx"].relative < 1e-3
    assert 0 < agreements["openvino-f32"].relative < 1e-3
    assert agreements["onnx"].images == len(category.test)
    # In half the bits these patches, which are close together, are not told apart.
    assert (agreements["openvino"].relative < 1e-3) == (fitted.precision == "f32")


@installed
def test_one_frame_at_a_time(patchcore: AnomalibPatchcore, fitted: Fitted, category: Category) -> None:
    assert set(fitted.seconds) == {"features", "coreset", "onnx", "openvino"}
    assert all(seconds > 0 for seconds in fitted.seconds.values())
    assert fitted.precision in ("bf16", "f16", "f32")
    assert fitted.peak_mb > 100
    for form in FORMS:
        timing = patchcore.time(form, category.test[0])
        assert timing.score == pytest.approx(patchcore.scores(form, category.test[:1])[0], rel=1e-5)
        assert 0 < timing.milliseconds < 60_000
        assert 0 < patchcore.bare(form, category.test[0]) < 60_000


@installed
@pytest.mark.usefixtures("fitted")
def test_it_rests_between_requests(patchcore: AnomalibPatchcore, category: Category) -> None:
    def ticks() -> int:
        words = Path(f"/proc/{patchcore.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(words[11]) + int(words[12])

    for form in FORMS:
        busy = []
        for _ in range(5):
            patchcore.time(form, category.test[0])
            before = ticks()
            time.sleep(0.1)
            busy.append(ticks() - before)
        assert min(busy) <= 3  # of the 10 that a thread which spins takes


@installed
def test_what_fails_is_told_and_the_rest_goes_on(
    patchcore: AnomalibPatchcore, crops: np.ndarray, resnet18: Path, category: Category, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, wrong)
    with pytest.raises(AnomalibPatchcoreError, match=r"PatchCore failed: .*bn1.weight is missing"):
        patchcore.fit(crops, PatchcoreSettings(wrong, preprocessing=SMALL))
    with pytest.raises(AnomalibPatchcoreError, match="nothing was trained yet"):
        patchcore.scores("torch", category.test)

    # What is left to anomalib is its own: a score weighted by nine neighbours.
    again = patchcore.fit(crops, PatchcoreSettings(resnet18, coreset_ratio=0.25, preprocessing=SMALL))
    assert (again.entries, again.neighbours) == (TRAIN * 8 * 8 // 4, 9)
    with pytest.raises(AnomalibPatchcoreError, match=r"nothing\.png: can't be read"):
        patchcore.time("torch", tmp_path / "nothing.png")
    assert patchcore.time("torch", category.test[0]).score > 0


def test_a_process_that_ends_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named anomalib' >&2\n")
    broken.chmod(0o755)
    with (
        AnomalibPatchcore(broken) as patchcore,
        pytest.raises(AnomalibPatchcoreError, match="process ended: No module named anomalib"),
    ):
        patchcore.scores("torch", [])


def test_agreement_counts_the_decisions_that_flip() -> None:
    ordered = np.arange(1.0, 22.0)  # 20 thresholds, one in each gap
    assert Agreement.between(ordered, ordered) == Agreement(0.0, (0,) * 20, 21)
    moved = ordered.copy()
    moved[10] = 13.2  # was 11: now above the thresholds 11.5 and 12.5
    agreement = Agreement.between(ordered, moved)
    assert agreement.relative == pytest.approx(0.2)
    assert agreement.flips == (*(0,) * 10, 1, 1, *(0,) * 8)
    # Rounding of a score that isn't next to a threshold flips nothing, in whatever order the images come.
    shuffled = np.random.default_rng(0).permutation(ordered)
    assert sum(Agreement.between(shuffled, shuffled * (1 + 1e-7)).flips) == 0
