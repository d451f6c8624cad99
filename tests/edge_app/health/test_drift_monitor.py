from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_edge_app.configuration.options import DriftOptions
from softcore_edge_app.health import drift_monitor as drift_module
from softcore_edge_app.health.drift_monitor import DriftMonitor, DriftReading, Reference, find_references
from softcore_edge_app.pipeline import recipes
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_runtime import Inspector
from softcore_runtime.bundle.baseline import Baseline
from softcore_runtime.bundle.threshold import Calibration
from softcore_runtime.bundle.training import read_training

OPTIONS = DriftOptions(learn=100)
BASELINE = Baseline(parts=1000, centre=0.0, spread=0.1)
CALIBRATED = {"score": Reference(BASELINE, "at calibration")}


def knowing(options: DriftOptions = OPTIONS) -> DriftMonitor:
    """With the scores of b1 known, nothing else."""
    return DriftMonitor(options, lambda _camera, bundle: CALIBRATED if bundle == "b1" else {})


def feed(drift: DriftMonitor, make_decided: Any, scores: Any, **fields: Any) -> None:
    for score in scores:
        drift.add(make_decided(float(score), **fields))


def charted(drift: DriftMonitor) -> list[DriftReading]:
    """What is compared with a reference, beside the shares of the parts."""
    return [one for one in drift.describe() if not one.quantity.endswith("_share")]


def test_good_parts_that_score_higher_than_at_calibration(make_decided: Any) -> None:
    drift, rng = knowing(), np.random.default_rng(0)
    feed(drift, make_decided, np.exp(rng.normal(0, 0.1, 1000)))
    assert drift.list_alarms() == []
    assert {(d.quantity, d.pace, d.when) for d in charted(drift)} == {
        ("score", "fast", "at calibration"), ("score", "slow", "at calibration"),
    }  # fmt: skip
    feed(drift, make_decided, np.full(3000, 1.12))
    assert (
        "front, pill: scores of good parts are 12% higher than at calibration (slow alarm)"
        in drift.list_alarms()
    )


def test_what_a_bundle_does_not_know_is_learned_from_the_first_parts(make_decided: Any) -> None:
    drift, rng = knowing(), np.random.default_rng(0)
    feed(drift, make_decided, np.exp(rng.normal(-1, 0.1, 99)), bundle="b2")
    assert charted(drift) == []
    feed(drift, make_decided, np.exp(rng.normal(-1, 0.1, 1000)), bundle="b2")
    assert drift.list_alarms() == []
    feed(drift, make_decided, np.exp(rng.normal(-1.3, 0.1, 40)), bundle="b2")
    assert any(
        "lower than for the first 100 that were measured (fast alarm)" in alarm
        for alarm in drift.list_alarms()
    )


def test_parts_from_before_a_switch_are_not_taken_for_others(make_decided: Any) -> None:
    inuse = {"b1"}
    drift = DriftMonitor(OPTIONS, lambda _camera, bundle: CALIBRATED if bundle in inuse else None)
    feed(drift, make_decided, [1.0], bundle="b0")
    assert drift.describe() == []
    inuse.add("b0")
    feed(drift, make_decided, [1.0], bundle="b0")
    assert {deviation.when for deviation in charted(drift)} == {"at calibration"}


def test_only_good_parts_with_exact_scores_count(make_decided: Any) -> None:
    drift = knowing()
    for decided in (
        make_decided(None, reason="late"),
        make_decided(5.0),  # a FAIL
        make_decided(1.9, exact=False),  # a bound
    ):
        for _ in range(1000):
            drift.add(decided)
    assert {deviation.quantity for deviation in charted(drift)} == {"score"}
    assert all(deviation.change == 0 for deviation in charted(drift))


def test_cameras_and_bundles_are_apart_and_a_recipe_that_comes_back_goes_on(make_decided: Any) -> None:
    drift = knowing()
    feed(drift, make_decided, np.full(1000, 1.5))
    feed(drift, make_decided, np.full(1000, 1.0), camera="side")
    assert drift.list_alarms()
    assert all(alarm.startswith("front, pill: ") for alarm in drift.list_alarms())
    feed(drift, make_decided, [1.0], bundle="b2")  # another recipe, or a new threshold
    assert drift.list_alarms() == []
    feed(drift, make_decided, [1.5])
    assert any("50% higher" in alarm for alarm in drift.list_alarms())


def test_a_lamp_that_fades(make_decided: Any, good_frame: np.ndarray) -> None:
    drift, rng = knowing(DriftOptions(learn=40)), np.random.default_rng(0)

    def view(light: float) -> np.ndarray:
        noisy = light * good_frame + rng.normal(0, 2, good_frame.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    for _ in range(600):
        drift.add(make_decided(1.0, image=view(1.0)))
    assert drift.list_alarms() == []
    for _ in range(600):
        drift.add(make_decided(1.0, image=view(0.8)))
    assert any("brightness of the images is 20% lower" in alarm for alarm in drift.list_alarms())


def test_good_parts_that_all_fail_are_an_alarm_on_standard_error(
    make_decided: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The score of a part that fails says nothing of good parts; that all of them fail does."""
    drift = knowing()
    feed(drift, make_decided, np.full(30, 1.0))
    assert caplog.messages == []
    feed(drift, make_decided, np.full(90, 2.1))
    assert drift.list_alarms() == [
        f"front, pill: {share} of the latest parts are FAIL, usually 10% at most ({pace} alarm)"
        for share, pace in (("100%", "fast"), ("30%", "slow"))
    ]
    assert caplog.messages == [  # once each, when it was raised
        "alarm: front, pill: 50% of the latest parts are FAIL, usually 10% at most (fast alarm)",
        "alarm: front, pill: 18% of the latest parts are FAIL, usually 10% at most (slow alarm)",
    ]
    caplog.clear()
    caplog.set_level("INFO")
    feed(drift, make_decided, np.full(2000, 1.0))
    assert drift.list_alarms() == []
    assert caplog.messages == [
        f"front, pill: the {pace} alarm of fail_share has ended" for pace in ("fast", "slow")
    ]


def test_images_that_darken_are_an_alarm_whatever_the_decision(
    make_decided: Any, good_frame: np.ndarray
) -> None:
    drift = knowing(DriftOptions(learn=40))
    rng = np.random.default_rng(0)
    for light, score in ((1.0, 1.0), (0.8, 2.1)):
        assert drift.list_alarms() == []
        for _ in range(400):
            noisy = np.clip(light * good_frame + rng.normal(0, 2, good_frame.shape), 0, 255)
            drift.add(make_decided(score, image=noisy.astype(np.uint8)))
    assert any("brightness of the images is 20% lower" in alarm for alarm in drift.list_alarms())


def test_what_is_remembered_is_bounded(make_decided: Any, good_frame: np.ndarray) -> None:
    drift = knowing()
    for number in range(300):
        feed(drift, make_decided, [1.0], bundle=f"b{number}")
    assert len(drift._charts) == drift_module._KEPT
    decided = make_decided(1.0, bundle="learns", image=good_frame)
    for _ in range(1000):
        drift.add(decided)
    charts = drift._charts["front", "learns"]
    assert set(charts.charts) == {"score", "brightness", "contrast", "sharpness"}
    assert not charts._learning


def test_a_bundle_has_references(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle, engine="onnxruntime")
    assert find_references(inspector, {}) == {}  # of 12 training images
    baselines = {name: Baseline(parts=50, centre=1.0, spread=0.1) for name in ("score", "brightness")}
    calibration = Calibration(
        objective="value", parameters={}, promise="", confidence=0.95, overkill=None, escape=None,
        source="pictures", good_sha256=None, bad_sha256=None, engine="onnxruntime", precision="fp32",
        created=datetime(2026, 1, 1, tzinfo=timezone.utc), tool="", baselines=baselines,
    )  # fmt: skip
    before = inspector.manifest.threshold

    def override_threshold(**changes: Any) -> dict[str, Reference]:
        inspector.override_threshold(before.model_copy(update=changes))
        return find_references(inspector, {})

    known = {name: Reference(baseline, "at calibration") for name, baseline in baselines.items()}
    assert override_threshold(calibration=calibration) == known
    other = calibration.model_copy(update={"precision": "int8"})
    assert override_threshold(calibration=other) == {"brightness": known["brightness"]}


def test_training_images_tell_of_looks_alone(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = read_training(tiny_bundle)
    more = replace(
        training,
        thumbnails=training.thumbnails.repeat(3, axis=0),
        image_statistics=training.image_statistics.repeat(3, axis=0),
    )
    monkeypatch.setattr(recipes, "read_training", lambda _path: more)
    recipe = Recipes({"tiny": tiny_bundle}, SharedInspectors(Inspector.load)).current
    found = find_references(recipe.inspector, recipe.baselines)
    assert set(found) == {"brightness", "contrast", "sharpness"}
    assert {reference.when for reference in found.values()} == {"in training"}


def test_a_bundle_whose_folder_is_gone_still_has_references(tiny_bundle: Path) -> None:
    """It is asked in the thread that publishes, which must not wait for a disk."""
    recipe = Recipes({"tiny": tiny_bundle}, SharedInspectors(Inspector.load)).current
    shutil.rmtree(tiny_bundle)
    assert find_references(recipe.inspector, {"brightness": BASELINE}) == {
        "brightness": Reference(BASELINE, "in training")
    }
