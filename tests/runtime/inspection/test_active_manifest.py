from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_runtime import Decision, Inspector
from softcore_runtime.backends.engine import ENGINES, Engine
from softcore_runtime.bundle.bundle import INDEX, read_bundle
from softcore_runtime.bundle.threshold import Calibration
from softcore_runtime.bundle.threshold_change import revert_threshold, set_threshold
from softcore_runtime.errors import (
    BundleCorruptError,
    BundleNotFoundError,
    MissingLibraryError,
    UsageError,
)
from softcore_runtime.images.mask import find_ignored
from softcore_runtime.search.hnsw import HnswIndex

from .bundles import change_threshold, claim, draw_frames, reseal, scores_from_scratch, set_floors


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_that_a_bundle_was_learned_with_is_taken(tiny_bundle: Path, engine: Engine) -> None:
    claim(tiny_bundle, engine, "fp32")
    inspector = Inspector.load(tiny_bundle)
    assert (inspector.backbone.engine, inspector.backbone.precision) == (engine, "fp32")
    assert inspector.remark is None
    for frame in draw_frames(20):
        score = float(scores_from_scratch(tiny_bundle, frame).max())
        assert inspector.inspect(frame).score == pytest.approx(score, rel=1e-5)
        assert inspector.decide(frame).decision is (Decision.FAIL if score > 12 else Decision.PASS)


@pytest.mark.parametrize(("learned", "here"), [ENGINES, ENGINES[::-1]])
def test_another_engine_is_remarked_on(tiny_bundle: Path, learned: Engine, here: Engine) -> None:
    claim(tiny_bundle, learned, "fp32")
    inspector = Inspector.load(tiny_bundle, engine=here)
    assert inspector.backbone.engine == here
    assert inspector.remark == (
        f"the bundle was learned with {learned} in fp32, here it runs with {here} in fp32: "
        "calibrate its threshold on this machine"
    )


def test_an_engine_that_is_missing_is_replaced_and_remarked_on(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(tiny_bundle, "openvino", "bf16")
    monkeypatch.setitem(sys.modules, "openvino", None)
    inspector = Inspector.load(tiny_bundle)
    assert inspector.backbone.engine == "onnxruntime"
    assert "learned with openvino in bf16, here it runs with onnxruntime in fp32" in (inspector.remark or "")
    with pytest.raises(MissingLibraryError, match=r"pip install 'softcore\[openvino\]'"):
        Inspector.load(tiny_bundle, engine="openvino")


def test_a_cpu_without_bf16_is_remarked_on(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(tiny_bundle, "openvino", "bf16")
    monkeypatch.setattr("softcore_runtime.backends.openvino.computes_in_bf16", lambda: False)
    inspector = Inspector.load(tiny_bundle)
    assert "learned with openvino in bf16, here it runs with openvino in fp32" in (inspector.remark or "")


def test_what_a_mask_leaves_out_is_not_inspected(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    exported = Inspector.load(tiny_bundle)
    place = np.unravel_index(exported.inspect(bad_frame).patch_scores.argmax(), (8, 8))
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[16:34, 26:44] = 255  # more than the spot
    png = cv2.imencode(".png", mask)[1].tobytes()
    masked = exported.manifest.threshold.model_copy(update={"value": 11.0})
    set_threshold(tiny_bundle, masked, exported.manifest, png)
    inspector = Inspector.load(tiny_bundle)  # the golden frames still have their scores
    inspection = inspector.inspect(bad_frame)
    assert exported.inspect(bad_frame).decision is Decision.FAIL
    assert inspection.decision is inspector.decide(bad_frame).decision is Decision.PASS
    assert inspection.patch_scores[place] == 0
    ignored = find_ignored(mask, inspector.manifest.preprocessing, (8, 8)).reshape(8, 8)
    for frame in draw_frames(10, seed=5):
        seen, all_of_it = inspector.inspect(frame), scores_from_scratch(tiny_bundle, frame)
        assert seen.score == pytest.approx(all_of_it[~ignored].max(), rel=1e-5)
        assert (seen.patch_scores[ignored] == 0).all()


def test_with_floors_too_a_masked_patch_raises_no_score(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    """The entries that serve the masked positions have floors above the threshold."""
    hints = np.load(tiny_bundle / "hints.npy")
    floors = np.full(len(np.load(tiny_bundle / "bank.npy")), 2.0)
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[16:34, 26:44] = 255
    ignored = find_ignored(mask, read_bundle(tiny_bundle).manifest.preprocessing, (8, 8))
    odd = np.unique(hints[ignored])
    floors[odd] = 50
    floors[(odd[0] + 1) % len(floors)] = 1.0
    bank = np.load(tiny_bundle / "bank.npy")
    bank[odd] += 100  # nothing else vouches for them
    np.save(tiny_bundle / "bank.npy", bank)
    HnswIndex.build(bank, m=8, ef_construction=100, seed=0).save(tiny_bundle / INDEX)
    reseal(tiny_bundle)
    set_floors(tiny_bundle, floors)
    inspector = Inspector.load(tiny_bundle, self_test=False)
    inspector.override_threshold(inspector.manifest.threshold, mask)
    for frame in draw_frames(10, seed=5):
        seen, all_of_it = inspector.inspect(frame), scores_from_scratch(tiny_bundle, frame).ravel()
        assert seen.score == pytest.approx(all_of_it[~ignored].max(), rel=1e-5)
        assert inspector.decide(frame).decision is seen.decision
        assert (seen.patch_scores.ravel()[ignored] <= seen.score).all()
    assert inspector.decide(bad_frame).decision is Decision.PASS


def test_a_threshold_that_is_set_meanwhile_holds_from_the_next_frame(
    tiny_bundle: Path, bad_frame: np.ndarray
) -> None:
    inspector = Inspector.load(tiny_bundle)
    assert not inspector.refresh()
    assert inspector.decide(bad_frame).decision is Decision.FAIL
    score = inspector.inspect(bad_frame).score
    higher = inspector.manifest.threshold.model_copy(update={"value": score + 1})
    set_threshold(tiny_bundle, higher, inspector.manifest)
    assert inspector.decide(bad_frame).decision is Decision.FAIL  # not in the middle of anything
    assert inspector.refresh()
    assert inspector.decide(bad_frame).decision is Decision.PASS
    assert inspector.manifest.threshold == higher
    assert not inspector.refresh()
    assert revert_threshold(tiny_bundle)[0] == higher
    assert inspector.refresh()
    assert inspector.decide(bad_frame).decision is Decision.FAIL


def test_a_manifest_that_goes_bad_is_told_once_and_the_threshold_stays(
    tiny_bundle: Path, bad_frame: np.ndarray
) -> None:
    inspector = Inspector.load(tiny_bundle)
    whole = (tiny_bundle / "manifest.json").read_bytes()
    (tiny_bundle / "manifest.json").write_bytes(whole[:-50])
    with pytest.raises(BundleCorruptError):
        inspector.refresh()
    assert not inspector.refresh()
    assert inspector.decide(bad_frame).decision is Decision.FAIL
    (tiny_bundle / "manifest.json").unlink()
    with pytest.raises(BundleNotFoundError):
        inspector.refresh()
    (tiny_bundle / "manifest.json").write_bytes(whole)
    assert not inspector.refresh()  # it is the same threshold again


def test_another_export_in_its_place_is_told(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    np.save(tiny_bundle / "weights.npy", np.load(tiny_bundle / "weights.npy") * np.float32(2))
    reseal(tiny_bundle, threshold=3.0)
    with pytest.raises(BundleCorruptError, match="was exported anew; the earlier export is in use until"):
        inspector.refresh()
    assert inspector.manifest.threshold.value == 12


def test_a_threshold_calibrated_on_another_engine_is_remarked_on(tiny_bundle: Path) -> None:
    calibration = Calibration(
        objective="value", parameters={}, promise="", confidence=0.95, overkill=None, escape=None,
        source="pictures", good_sha256=None, bad_sha256=None, engine="onnxruntime", provider="cpu",
        precision="int8", created=datetime(2026, 1, 1, tzinfo=timezone.utc), tool="",
    )  # fmt: skip
    change_threshold(tiny_bundle, calibration=calibration)
    assert Inspector.load(tiny_bundle, engine="onnxruntime").remark == (
        "the threshold was calibrated with onnxruntime in int8, here it runs with onnxruntime in fp32: "
        "calibrate its threshold on this machine"
    )


def test_a_threshold_that_is_set_while_a_bundle_loads_holds(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the manifest was read, before the inspector is there."""

    def load(path: Path, *sizes: int) -> HnswIndex:
        manifest = read_bundle(tiny_bundle).manifest
        monkeypatch.undo()
        set_threshold(tiny_bundle, manifest.threshold.model_copy(update={"value": 15.0}), manifest)
        return HnswIndex.load(path, *sizes)

    monkeypatch.setattr("softcore_runtime.search.index_choice.HnswIndex.load", load)
    inspector = Inspector.load(tiny_bundle)
    assert inspector.manifest.threshold.value == 12
    assert inspector.is_stale
    assert inspector.refresh()
    assert inspector.manifest.threshold.value == 15
    assert not inspector.is_stale


def test_an_area_larger_than_the_map_is_refused(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    threshold = inspector.manifest.threshold.model_copy(update={"min_area": 1025})
    with pytest.raises(UsageError, match="an area of 1,025 pixels is more than the anomaly map's 32 x 32"):
        inspector.override_threshold(threshold)


def test_a_result_has_the_seal_of_the_threshold_that_decided(
    tiny_bundle: Path, good_frame: np.ndarray
) -> None:
    """However the threshold is changed meanwhile: each seal belongs to one threshold."""
    inspector = Inspector.load(tiny_bundle, threads=1)
    assert inspector.seal == json.loads((tiny_bundle / "manifest.json").read_bytes())["seal"]
    exported = inspector.manifest.threshold
    thresholds = [exported, exported.model_copy(update={"value": 15.0})]
    seals = {}
    for threshold in thresholds:
        inspector.override_threshold(threshold)
        seals[threshold.value] = inspector.seal
    assert len(set(seals.values())) == 2

    def alternate() -> None:
        for number in range(50):
            inspector.override_threshold(thresholds[number % 2])

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(alternate)
        results = []
        while not changing.done():
            results += [inspector.decide(good_frame), inspector.inspect(good_frame)]
        changing.result()
    assert all(result.seal == seals[result.threshold] for result in results)
