from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from softcore_calibration.calibration import calibrate
from softcore_calibration.cli.table import describe_findings
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import open_cache
from softcore_calibration.data.scoring import Scoring, score_samples
from softcore_calibration.objective import Objective
from softcore_runtime import Inspector, read_image
from softcore_runtime.bundle.baseline import measure_baseline
from softcore_runtime.bundle.training import measure_image_statistics, read_training
from softcore_runtime.errors import DataError, UsageError


@pytest.fixture
def inspector(tiny_bundle: Path) -> Inspector:
    return Inspector.load(tiny_bundle)


def score(inspector: Inspector, *places: tuple[Path, bool | None]) -> Scoring:
    with open_cache(inspector, None) as cache:
        return score_samples(inspector, find_samples(places), cache)


OVERKILL = Objective("overkill", {"share": 0.05})


def test_a_threshold_and_what_it_rests_on(inspector: Inspector, category: Path) -> None:
    scoring = score(inspector, (category, None))
    training = read_training(inspector.bundle.path)
    found = calibrate(inspector, scoring, training, OVERKILL, 0.02)
    good = np.sort([s.score for s in scoring.good])
    bad = np.array([s.score for s in scoring.bad])
    assert found.threshold.value == good[38]  # (40 + 1) * 0.05 = 2.05: one may be above
    assert found.calibration.overkill is not None
    assert found.calibration.escape is not None
    assert (found.calibration.overkill.count, found.calibration.overkill.parts) == (1, 40)
    assert found.calibration.escape.count == (bad <= good[38]).sum()
    labels = np.repeat([0, 1], [40, 24])
    assert found.auroc == pytest.approx(roc_auc_score(labels, [*good, *bad]), rel=1e-12)
    assert found.average_precision == pytest.approx(average_precision_score(labels, [*good, *bad]), rel=1e-12)
    digests = sorted(hashlib.sha256(s.path.read_bytes()).hexdigest() for s in scoring.good)
    assert found.calibration.good_sha256 == hashlib.sha256("\n".join(digests).encode()).hexdigest()
    assert found.calibration.engine == inspector.backbone.engine
    lines = "\n".join(describe_findings(found))
    assert "calibrated on 40 good images and 24 bad images" in lines
    assert "was 12, provisional" in lines
    assert "of 10,000 parts with 0.02 defective: 245 good ones that fail" in lines


def test_the_bundle_learns_where_good_parts_that_pass_lie(inspector: Inspector, category: Path) -> None:
    scoring = score(inspector, (category, None))
    training = read_training(inspector.bundle.path)
    found = calibrate(inspector, scoring, training, OVERKILL)
    passing = [s for s in scoring.good if s.score <= found.threshold.value]
    assert len(passing) == 39
    assert found.calibration.baselines == {
        "score": measure_baseline([s.score for s in passing]),
        "brightness": measure_baseline([s.image_statistics[0] for s in passing]),
        "contrast": measure_baseline([s.image_statistics[1] for s in passing]),
        "sharpness": measure_baseline([s.image_statistics[2] for s in passing]),
    }
    np.testing.assert_array_equal(
        passing[0].image_statistics, measure_image_statistics(read_image(passing[0].path))
    )
    again = score(inspector, (category, None))
    assert again.cached == 64
    assert (
        calibrate(inspector, again, training, OVERKILL).calibration.baselines == found.calibration.baselines
    )
    few = calibrate(inspector, Scoring(good=scoring.good[:20]), training, OVERKILL)
    assert few.calibration.baselines is None


def test_without_good_images_the_training_images_stand_in(inspector: Inspector) -> None:
    training = read_training(inspector.bundle.path)
    found = calibrate(inspector, Scoring(), training, Objective("overkill", {"share": 0.1}))
    assert found.threshold.value == training.scores.max()
    assert found.calibration.source == "training"
    assert found.calibration.baselines is None
    assert found.calibration.good_sha256 is None
    assert found.calibration.escape is None
    assert any("training images stand in" in str(data_warning) for data_warning in found.data_warnings)
    lines = "\n".join(describe_findings(found))
    assert "calibrated on its training images" in lines
    assert "escape     unknown: no bad images were given" in lines
    with pytest.raises(DataError, match=r"12 training images can't carry --max-overkill 0\.01 \(99 can\)"):
        calibrate(inspector, Scoring(), training, Objective())
    with pytest.raises(DataError, match="good images are needed"):
        calibrate(inspector, Scoring(), training, OVERKILL, masked=True)
    inspector.override_threshold(inspector.manifest.threshold.model_copy(update={"min_area": 5}))
    with pytest.raises(DataError, match="good images are needed"):
        calibrate(inspector, Scoring(), training, OVERKILL)


def test_one_bad_image_says_how_little_it_says(inspector: Inspector, category: Path) -> None:
    scoring = score(inspector, (category / "test/good", False), (category / "test/spot/023.png", True))
    found = calibrate(inspector, scoring, read_training(inspector.bundle.path), OVERKILL)
    assert found.calibration.escape is not None
    assert (found.calibration.escape.low, found.calibration.escape.high) == (0, pytest.approx(0.975))
    assert any("1 bad image" in str(data_warning) for data_warning in found.data_warnings)


def test_a_threshold_that_lets_most_pass_is_said_to(inspector: Inspector, category: Path) -> None:
    scoring = score(inspector, (category, None))
    training = read_training(inspector.bundle.path)
    for value, told in ((1e3, True), (1.0, False)):
        found = calibrate(inspector, scoring, training, Objective("value", {"value": value}))
        assert any(data_warning.kind == "useless" for data_warning in found.data_warnings) is told


def test_swapped_classes_are_noticed(inspector: Inspector, category: Path) -> None:
    scoring = score(inspector, (category / "test/good", True), (category / "test/spot", False))
    with pytest.raises(DataError, match="the wrong way round"):
        calibrate(inspector, scoring, read_training(inspector.bundle.path), OVERKILL)


def test_an_objective_without_its_images(inspector: Inspector) -> None:
    with pytest.raises(UsageError, match="needs bad images"):
        calibrate(
            inspector, Scoring(), read_training(inspector.bundle.path), Objective("escape", {"share": 0.1})
        )
