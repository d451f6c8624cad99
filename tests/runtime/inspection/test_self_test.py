from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from softcore_runtime import Decision, Inspector
from softcore_runtime.backends.engine import Engine
from softcore_runtime.bundle.bundle import (
    read_manifest,
    record_files,
    write_manifest,
)
from softcore_runtime.bundle.threshold_change import revert_threshold, set_threshold
from softcore_runtime.errors import (
    SelfTestError,
    UsageError,
)

from .bundles import claim, reseal


def test_the_self_test_reports_how_far_it_was_off(tiny_bundle: Path) -> None:
    assert Inspector.load(tiny_bundle).golden.check() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("off", [0.4, -0.4, 100])
def test_a_wrong_golden_score_fails_the_self_test(tiny_bundle: Path, off: float) -> None:
    golden = tiny_bundle / "golden/scores.json"
    frame, *others = json.loads(golden.read_text())
    frame["score"] += off
    golden.write_text(json.dumps([frame, *others]))
    reseal(tiny_bundle)
    with pytest.raises(SelfTestError, match=r"good\.png scores .* here, .* at export"):
        Inspector.load(tiny_bundle)
    inspector = Inspector.load(tiny_bundle, self_test=False)
    with pytest.raises(SelfTestError):
        inspector.golden.check()


def test_a_golden_score_within_rounding_passes(tiny_bundle: Path) -> None:
    golden = tiny_bundle / "golden/scores.json"
    frame, *others = json.loads(golden.read_text())
    frame["score"] += 0.012  # a thousandth of the threshold
    golden.write_text(json.dumps([frame, *others]))
    reseal(tiny_bundle)
    assert Inspector.load(tiny_bundle).golden.check() == pytest.approx(1e-3, rel=0.01)


def spoil_golden(path: Path, off: float) -> None:
    golden = path / "golden/scores.json"
    frame, *others = json.loads(golden.read_text())
    frame["score"] += off
    golden.write_text(json.dumps([frame, *others]))
    reseal(path)


@pytest.mark.parametrize(
    ("engine", "off", "passes"),
    [
        ("onnxruntime", 0.11, True), ("onnxruntime", 0.13, False),  # a hundredth of the threshold
        ("onnxruntime", -0.11, True), ("onnxruntime", -0.13, False),
        ("openvino", 1.15, True), ("openvino", 1.4, False),  # a tenth
        ("openvino", 13, False),  # a FAIL at export
    ],
)  # fmt: skip
def test_the_self_test_allows_for_another_precision(
    tiny_bundle: Path, engine: Engine, off: float, passes: bool
) -> None:
    """Run by ONNX Runtime in FP32, learned by `engine` in its own way."""
    claim(tiny_bundle, engine, "fp32" if engine == "onnxruntime" else "bf16")
    spoil_golden(tiny_bundle, off)
    if passes:
        worst = Inspector.load(tiny_bundle, engine="onnxruntime").golden.check()
        assert worst == pytest.approx(abs(off) / 12, rel=0.01)
    else:
        with pytest.raises(SelfTestError, match=r"good\.png scores"):
            Inspector.load(tiny_bundle, engine="onnxruntime")


@pytest.mark.parametrize(
    ("update", "fault"),
    [
        ({"value": 237.1}, r"at a threshold of 237\.1 no golden frame fails"),
        ({"value": 1e9}, r"at a threshold of 1e\+09 no golden frame fails"),
        ({"value": 1e308}, r"at a threshold of 1e\+308 no golden frame fails"),
        ({"fail_above": 1e308}, r"at a threshold of 1e\+308 no golden frame fails"),
        ({"min_area": 1025}, "min_area is 1,025, more than the 32 x 32 pixels of the anomaly map"),
        ({"min_area": 2**62}, "min_area is 4,611,686,018,427,387,904, more than the 32 x 32"),
        ({"value": 100.0, "min_area": 900}, "at a threshold of 100 over 900 pixels no golden frame fails"),
    ],
)
def test_a_threshold_by_which_nothing_can_fail_is_refused_wherever_it_comes_from(
    tiny_bundle: Path, update: dict[str, float], fault: str
) -> None:
    serving = Inspector.load(tiny_bundle)
    exported = serving.manifest
    threshold = exported.threshold.model_copy(update=update)
    area = threshold.min_area is not None and threshold.min_area <= 32 * 32
    if not area:  # golden scores by an area are known only where the network runs
        with pytest.raises(UsageError, match=fault):
            set_threshold(tiny_bundle, threshold, exported)
    write_manifest(
        tiny_bundle,
        exported.model_copy(update={"threshold": threshold, "history": (exported.threshold,)}),
    )
    with pytest.raises(SelfTestError, match=rf"{fault}.*; set another threshold with softcore-calibrate"):
        Inspector.load(tiny_bundle)
    inspector = Inspector.load(tiny_bundle, any_threshold=True)  # to set another
    assert inspector.explain_threshold(exported.threshold) is None
    found = inspector.explain_threshold(threshold)
    assert found
    assert re.match(fault, found)
    assert serving.is_stale
    with pytest.raises(SelfTestError, match=rf"{fault}.*; the earlier threshold stays in use"):
        serving.refresh()
    assert serving.manifest.threshold == exported.threshold
    assert not serving.refresh()  # said once
    assert revert_threshold(tiny_bundle) == (threshold, exported.threshold)


def test_a_threshold_just_below_the_spoiled_frame_is_in_use(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    exported = read_manifest(tiny_bundle)
    for update in ({"value": 237.0}, {"value": 12.0, "min_area": 300}):
        set_threshold(tiny_bundle, exported.threshold.model_copy(update=update), exported)
        inspector = Inspector.load(tiny_bundle)
        spoiled = inspector.bundle.read_golden(inspector.bundle.golden[1])
        assert inspector.decide(spoiled).decision is Decision.FAIL
        assert inspector.decide(bad_frame).decision is Decision.PASS


def test_without_a_frame_that_fails_a_threshold_may_be_ten_times_the_highest_score(tiny_bundle: Path) -> None:
    exported = read_manifest(tiny_bundle)
    golden = Inspector.load(tiny_bundle).bundle.golden[0]
    (tiny_bundle / "golden/scores.json").write_text(json.dumps([golden.model_dump()]))
    files = record_files(tiny_bundle)
    write_manifest(tiny_bundle, exported.model_copy(update={"files": files}))
    with pytest.raises(SelfTestError, match="at a threshold of 12 no golden frame fails"):
        Inspector.load(tiny_bundle)
    noted = exported.model_copy(update={"files": files, "golden_note": "the network is blind"})
    write_manifest(tiny_bundle, noted)
    assert Inspector.load(tiny_bundle).decide(np.full((48, 48, 3), 255, np.uint8)).decision is Decision.FAIL
    set_threshold(tiny_bundle, exported.threshold.model_copy(update={"value": 119.9}), noted)
    assert Inspector.load(tiny_bundle).manifest.threshold.value == 119.9
    with pytest.raises(UsageError, match=r"at a threshold of 120\.1 no golden frame fails"):
        set_threshold(tiny_bundle, exported.threshold.model_copy(update={"value": 120.1}), noted)
