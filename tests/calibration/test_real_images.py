"""The promises on real scores: those of the magnetic tiles' 250 good and 69 bad test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from softcore_calibration.calibration import calibrate
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import open_cache
from softcore_calibration.data.scoring import Scoring, score_samples
from softcore_calibration.objective import Objective
from softcore_calibration.scores import Scores
from softcore_calibration.threshold_choice import choose_threshold
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector
from softcore_runtime.bundle.training import read_training
from softcore_runtime.errors import DataError

SHARED = Path(__file__).parents[3] / "shared"
TILES = SHARED / "data" / "magnetic_tile"
WEIGHTS = SHARED / "weights" / "resnet18-imagenet-to-layer3.pth"
SPLITS = 1000

pytestmark = pytest.mark.skipif(
    not (TILES.is_dir() and WEIGHTS.is_file()),
    reason=f"needs the real images and weights, which aren't published: {SHARED}",
)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Inspector, Scoring]:
    target = tmp_path_factory.mktemp("bundles") / "magnetic_tile"
    settings = ExportSettings(
        backbone="resnet18", weights=WEIGHTS, coreset_ratio=0.02, precision="fp32", device="cpu"
    )
    export(TrainingImages.find(TILES / "train" / "good", 60), target, settings)
    inspector = Inspector.load(target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        samples = find_samples([(TILES / "test" / "good", False), (TILES / "test" / "blowhole", True)])
        with open_cache(inspector, None) as cache:
            return inspector, score_samples(inspector, samples, cache, samples.count)


def split(good: np.ndarray, objective: Objective) -> np.ndarray:
    """Overkill on the half that the threshold wasn't chosen on, of random splits: [SPLITS]."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(SPLITS):
        shuffled = rng.permutation(good)
        half, unseen = shuffled[: len(good) // 2], shuffled[len(good) // 2 :]
        threshold = choose_threshold(objective, Scores(half, np.zeros(0))).value
        found.append((unseen > threshold).mean())
    return np.array(found)


@pytest.mark.parametrize("share", [0.05, 0.02, 0.01])
def test_overkill_stays_within_its_share_on_average(scored: tuple[Inspector, Scoring], share: float) -> None:
    good = np.array([one.score for one in scored[1].good])
    assert len(good) == 250
    overkill = split(good, Objective("overkill", {"share": share}))
    error = overkill.std() / np.sqrt(SPLITS)
    assert overkill.mean() <= share + 2 * error
    assert overkill.mean() >= share / 4  # and isn't kept by failing nobody


@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_overkill_stays_within_its_share_as_often_as_promised(
    scored: tuple[Inspector, Scoring], share: float, confidence: float
) -> None:
    good = np.array([one.score for one in scored[1].good])
    overkill = split(good, Objective("overkill", {"share": share}, confidence))
    assert (overkill <= share).mean() >= confidence
    # The marginal threshold would not have kept it.
    loose = split(good, Objective("overkill", {"share": share}))
    assert (loose <= share).mean() < 0.95


@pytest.mark.parametrize("share", [0.02, 0.01])
def test_what_half_of_them_cannot_carry_is_refused(scored: tuple[Inspector, Scoring], share: float) -> None:
    good = np.array([one.score for one in scored[1].good])
    with pytest.raises(DataError, match="125 good images can't carry --max-overkill"):
        choose_threshold(Objective("overkill", {"share": share}, 0.95), Scores(good[:125], np.zeros(0)))


def test_sound_images_raise_no_alarm(scored: tuple[Inspector, Scoring]) -> None:
    inspector, scoring = scored
    training = read_training(inspector.bundle.path)
    found = calibrate(inspector, scoring, training, Objective("overkill", {"share": 0.05}))
    kinds = {data_warning.kind for data_warning in found.data_warnings}
    assert kinds <= {"overlap", "drift", "useless"}  # the last one tells of the threshold, not of the images


def test_training_images_given_as_good_are_known_again(scored: tuple[Inspector, Scoring]) -> None:
    inspector = scored[0]
    samples = find_samples([(TILES / "train" / "good" / name, False) for name in sorted(
        path.name for path in (TILES / "train" / "good").iterdir())[:40]])  # fmt: skip
    with open_cache(inspector, None) as cache:
        scoring = score_samples(inspector, samples, cache, samples.count)
    found = calibrate(
        inspector, scoring, read_training(inspector.bundle.path), Objective("value", {"value": 1.0})
    )
    near = next(data_warning for data_warning in found.data_warnings if data_warning.kind == "near")
    assert len(near.names) == 40
