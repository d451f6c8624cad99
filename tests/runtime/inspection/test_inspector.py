from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from scipy.spatial.distance import cdist
from softcore_runtime import Bound, Decision, InspectionResult, Inspector
from softcore_runtime.backends.engine import ENGINES, Engine, Precision
from softcore_runtime.bundle.bundle import (
    read_bundle,
    read_manifest,
    record_files,
    write_manifest,
)
from softcore_runtime.bundle.manifest import Grid, parse_manifest
from softcore_runtime.bundle.threshold import Calibration
from softcore_runtime.bundle.threshold_change import revert_threshold, set_threshold
from softcore_runtime.errors import (
    BundleCorruptError,
    BundleNotFoundError,
    FrameError,
    MissingLibraryError,
    SelfTestError,
    UsageError,
)
from softcore_runtime.images.mask import find_ignored
from softcore_runtime.inspection.anomaly_map import draw_map
from softcore_runtime.search.hnsw import HnswIndex


def reseal(path: Path, threshold: float | None = None, **changes: object) -> None:
    """Seal a bundle again after a change, so that only what a hash can't tell is left to be found."""
    manifest = parse_manifest((path / "manifest.json").read_bytes(), "m")
    if threshold is not None:
        changes["threshold"] = manifest.threshold.model_copy(update={"value": threshold})
    write_manifest(path, manifest.model_copy(update={"files": record_files(path), **changes}))


def scores_from_scratch(path: Path, frame: np.ndarray) -> np.ndarray:
    """Patch scores [8, 8] of a frame of 36 x 36, in float64, by the definition: w(m*) ||p - m*||."""
    assert frame.shape == (36, 36, 3)
    cells = frame[2:34, 2:34].astype(float).reshape(8, 4, 8, 4, 3).mean((1, 3)).reshape(-1, 3)
    bank, weights = np.load(path / "bank.npy").astype(float), np.load(path / "weights.npy").astype(float)
    distances = cdist(cells, bank)
    nearest = distances.argmin(1)
    return (weights[nearest] * distances[np.arange(len(cells)), nearest]).reshape(8, 8)


def draw_frames(count: int, seed: int = 0) -> list[np.ndarray]:
    """Frames of 36 x 36 like those of `tiny_bundle`, with noise and spots: some pass, some fail."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(90, 130, 36)
    frames = []
    for _ in range(count):
        frame = np.repeat((ramp[:, None] + ramp[None, :])[:, :, None] / 2, 3, axis=2)
        frame += rng.normal(0, rng.uniform(0, 12), (36, 36, 3)) + rng.uniform(-6, 6)
        for _ in range(rng.integers(3)):
            row, column = rng.integers(2, 30, 2)
            frame[row : row + 5, column : column + 5] += rng.uniform(-40, 40)
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    return frames


def counts(result: InspectionResult) -> tuple[object, ...]:
    """All of a result but its time and place."""
    return (
        result.decision, result.score, result.bound, result.certified_by_hint, result.by_hnsw, result.exact
    )  # fmt: skip


def write_network(
    path: Path, nodes: list[onnx.NodeProto], kind: int = TensorProto.FLOAT, side: int = 32
) -> None:
    """Write a network crop -> features that is valid ONNX, but not this bundle's."""
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("crop", TensorProto.UINT8, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("features", kind, ["batch", None, 3])],
        [helper.make_tensor("shape", TensorProto.INT64, [3], [0, -1, 3]),
         helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        path / "backbone.onnx",
    )
    reseal(path)


def test_good_passes_and_bad_fails(tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray) -> None:
    inspector = Inspector.load(tiny_bundle)
    good, bad = inspector.inspect(good_frame), inspector.inspect(bad_frame)
    assert good.decision is Decision.PASS
    assert bad.decision is Decision.FAIL
    assert good.share < 1 < bad.share


def test_the_anomaly_lies_where_the_defect_is(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    """The spot is at rows 20-28, columns 30-38 of 48: 0.5 and 0.71 of the frame."""
    found = Inspector.load(tiny_bundle).inspect(bad_frame)
    window, (rows, columns) = found.window, found.anomaly_map.shape
    row, column = np.unravel_index(found.anomaly_map.argmax(), found.anomaly_map.shape)
    assert window.y + (row + 0.5) / rows * window.height == pytest.approx(24, abs=4)
    assert window.x + (column + 0.5) / columns * window.width == pytest.approx(34, abs=4)


def test_every_decision_is_that_from_scratch_and_every_bound_holds(tiny_bundle: Path) -> None:
    """One inspector only decides, the other draws its maps: over a whole run they must not part."""
    fast, thorough = (Inspector.load(tiny_bundle) for _ in range(2))
    seen = set()
    for frame in draw_frames(300):
        score = float(scores_from_scratch(tiny_bundle, frame).max())
        expected = Decision.FAIL if score > 12 else Decision.PASS
        result, inspection = fast.decide(frame), thorough.inspect(frame)
        assert result.decision is inspection.decision is expected
        assert inspection.score == pytest.approx(score, rel=1e-12)
        assert inspection.bound is Bound.EXACT
        assert result.threshold == 12
        assert result.window == inspection.window
        if result.bound is Bound.EXACT:
            assert result.score == inspection.score
        elif result.decision is Decision.PASS:
            assert result.bound is Bound.UPPER
            assert inspection.score <= result.score <= 12
        else:
            assert result.bound is Bound.LOWER
            assert 12 < result.score <= inspection.score
        settled = result.certified_by_hint + result.by_hnsw + result.exact
        assert settled == 64 if result.decision is Decision.PASS else 0 < settled <= 64
        seen.add((result.decision, result.bound))
    assert len(seen) >= 3  # PASS by certificate, FAIL by first proof, and scores that came out


@pytest.mark.parametrize("seed", range(4))
def test_a_score_of_just_the_threshold_passes_and_anything_above_fails(tiny_bundle: Path, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (36, 36, 3), dtype=np.uint8)
    score = Inspector.load(tiny_bundle).inspect(frame).score
    for threshold, decision in ((score, Decision.PASS), (float(np.nextafter(score, 0)), Decision.FAIL)):
        reseal(tiny_bundle, threshold=threshold)
        inspector = Inspector.load(tiny_bundle)
        assert inspector.decide(frame).decision is decision
        assert inspector.inspect(frame).decision is decision


def test_a_batch_is_one_frame_of_each_camera(tiny_bundle: Path) -> None:
    """Two rounds of five cameras, of frames of different sizes: the second round sees what helped before."""
    frames = draw_frames(10)
    frames[3] = np.kron(frames[3], np.ones((2, 3, 1), np.uint8))
    frames[7] = frames[7][:, :, 0]
    single, batched = (Inspector.load(tiny_bundle, threads=1) for _ in range(2))
    for five in (frames[:5], frames[5:]):
        one_by_one = [single.decide(frame, camera) for camera, frame in enumerate(five)]
        at_once = batched.decide_batch(five)
        assert [counts(result) for result in at_once] == [counts(result) for result in one_by_one]
        assert [result.window for result in at_once] == [result.window for result in one_by_one]
    single, batched = (Inspector.load(tiny_bundle, threads=1) for _ in range(2))
    for five in (frames[:5], frames[5:]):
        drawn = [single.inspect(frame, camera) for camera, frame in enumerate(five)]
        for one, other in zip(drawn, batched.inspect_batch(five), strict=True):
            assert counts(one) == counts(other)
            np.testing.assert_array_equal(one.patch_scores, other.patch_scores)
            np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)
            assert one.window == other.window


def test_a_batch_may_have_one_frame_or_none_but_no_wrong_one(
    tiny_bundle: Path, good_frame: np.ndarray
) -> None:
    inspector = Inspector.load(tiny_bundle)
    assert inspector.decide_batch([]) == []
    assert inspector.inspect_batch([]) == []
    (result,) = inspector.decide_batch([good_frame])
    assert result.decision is Decision.PASS
    assert result.milliseconds > 0
    for call in (inspector.decide_batch, inspector.inspect_batch):
        with pytest.raises(FrameError, match="too small"):
            call([good_frame, good_frame[:4]])


def test_cameras_keep_apart(tiny_bundle: Path) -> None:
    """What helped with a camera's last frame is tried first: a bound tells whose frame that was."""
    frames, others = draw_frames(40, seed=1), draw_frames(40, seed=2)

    def serve(camera: int | None) -> list[tuple[object, ...]]:
        """The results on `frames` at camera 0, each after one of `others` at this camera."""
        inspector = Inspector.load(tiny_bundle, self_test=False, threads=1)
        results = []
        for frame, other in zip(frames, others, strict=True):
            if camera is not None:
                inspector.decide(other, camera)
            results.append(counts(inspector.decide(frame)))
        return results

    assert serve(1) == serve(None)
    assert serve(0) != serve(None)


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_from_scratch(tiny_bundle: Path, seed: int) -> None:
    reseal(tiny_bundle, threshold=1e-6)  # every patch could lie above it, so every score must be exact
    inspector = Inspector.load(tiny_bundle, self_test=False)
    frame = np.random.default_rng(seed).integers(0, 256, (36, 36, 3), dtype=np.uint8)
    found, expected = inspector.inspect(frame), scores_from_scratch(tiny_bundle, frame)
    assert found.exact == 64
    np.testing.assert_allclose(found.patch_scores, expected, rtol=1e-4)
    assert found.score == pytest.approx(expected.max(), rel=1e-4)
    np.testing.assert_array_equal(found.anomaly_map, draw_map(found.patch_scores, 32))
    assert found.score == pytest.approx(float(found.patch_scores.max()), rel=1e-6)
    assert found.decision is Decision.FAIL


def test_scores_above_the_threshold_are_exact_and_the_rest_stay_below(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    frame = np.full((36, 36, 3), 110, np.uint8)
    frame[10:20, 10:20] = np.random.default_rng(1).integers(0, 256, (10, 10, 3))
    found, expected = inspector.inspect(frame), scores_from_scratch(tiny_bundle, frame)
    above = expected > 12
    assert 0 < above.sum() < 64
    np.testing.assert_array_equal(found.patch_scores > 12, above)
    np.testing.assert_allclose(found.patch_scores[above], expected[above], rtol=1e-4)


def spoil_index(path: Path) -> None:
    wrong = np.random.default_rng(0).permutation(np.load(path / "bank.npy"))
    HnswIndex.build(wrong, m=8, ef_construction=4, seed=0).save(path / "index.hnsw")


def spoil_hints(path: Path) -> None:
    np.save(path / "hints.npy", np.zeros((64, 4), np.int32))


@pytest.mark.parametrize(
    ("spoilers", "more", "less"),
    [
        ([spoil_index], "exact", "by_hnsw"),
        ([spoil_hints], "by_hnsw", "certified_by_hint"),
        ([spoil_index, spoil_hints], "exact", "certified_by_hint"),
    ],
)
def test_useless_helpers_cost_time_but_no_decision(
    tiny_bundle: Path, spoilers: list[Callable[[Path], None]], more: str, less: str
) -> None:
    frames = draw_frames(30)
    before = Inspector.load(tiny_bundle)
    found = [(before.decide(frame, camera), before.inspect(frame)) for camera, frame in enumerate(frames, 1)]
    for spoil in spoilers:
        spoil(tiny_bundle)
    reseal(tiny_bundle)
    after = Inspector.load(tiny_bundle)
    spoiled = [(after.decide(frame, camera), after.inspect(frame)) for camera, frame in enumerate(frames, 1)]
    for (decided, inspected), (decided_now, inspected_now) in zip(found, spoiled, strict=True):
        assert decided_now.decision is decided.decision is inspected_now.decision is inspected.decision
        assert inspected_now.score == inspected.score

    def count(results: list[tuple[InspectionResult, InspectionResult]], stage: str) -> int:
        return sum(getattr(result, stage) for result, _ in results)

    assert count(spoiled, more) > count(found, more)
    assert count(spoiled, less) < count(found, less)


def test_two_loads_give_the_same_bits(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    first, second = Inspector.load(tiny_bundle), Inspector.load(str(tiny_bundle), threads=1)
    for frame in (bad_frame, bad_frame[:, ::-1], np.repeat(bad_frame, 5, 1), bad_frame):
        one, other = first.inspect(frame), second.inspect(frame)
        assert one.score == other.score
        assert one.patch_scores.tobytes() == other.patch_scores.tobytes()
        assert one.anomaly_map.tobytes() == other.anomaly_map.tobytes()
        assert counts(first.decide(frame)) == counts(second.decide(frame))


def test_grey_and_sixteen_bits_score_as_colour(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    inspector = Inspector.load(tiny_bundle)
    score = inspector.inspect(bad_frame).score
    assert inspector.inspect(bad_frame[:, :, 0]).score == score
    assert inspector.inspect(bad_frame.astype(np.uint16) * 257).score == score
    assert inspector.inspect(np.dstack([bad_frame, bad_frame[:, :, 0]])).score == score


def test_an_inspection_changes_neither_frame_nor_bundle(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    frame, files = bad_frame.copy(), record_files(tiny_bundle)
    frame.flags.writeable = False
    inspector = Inspector.load(tiny_bundle)
    inspector.inspect(frame)
    inspector.decide(frame)
    np.testing.assert_array_equal(frame, bad_frame)
    assert record_files(tiny_bundle) == files


@pytest.mark.parametrize(
    "frame",
    [
        None,
        "frame.png",
        [[1, 2], [3, 4]],
        np.zeros((48, 48, 3), np.float32),
        np.full((48, 48, 3), np.nan),
        np.zeros((48, 48, 3), bool),
        np.zeros((48, 48, 2), np.uint8),
        np.zeros((1, 48, 48, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((7, 48), np.uint8),
    ],
)
def test_a_wrong_frame_never_gets_a_score(tiny_bundle: Path, frame: np.ndarray) -> None:
    inspector = Inspector.load(tiny_bundle)
    for call in (inspector.inspect, inspector.decide):
        with pytest.raises(FrameError):
            call(frame)


def test_threads_share_an_inspector(tiny_bundle: Path) -> None:
    """Each with a camera of its own gets the very bits that it would get alone."""
    rng = np.random.default_rng(0)
    frames = [[rng.integers(60, 160, (48, 48, 3), dtype=np.uint8) for _ in range(30)] for _ in range(2)]

    def serve(inspector: Inspector, camera: int) -> list[tuple[object, ...]]:
        return [
            (
                *counts(inspector.decide(frame, camera)),
                inspector.inspect(frame, camera).patch_scores.tobytes(),
            )
            for frame in frames[camera]
        ]

    alone = [serve(Inspector.load(tiny_bundle, threads=1), camera) for camera in (0, 1)]
    inspector = Inspector.load(tiny_bundle, threads=1)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(partial(serve, inspector), (0, 1)))
    assert together == alone
    assert len({bits for _, *_, bits in alone[0] + alone[1]}) == 60


def test_threads_may_share_a_camera(tiny_bundle: Path) -> None:
    """What they get to see of the frame before depends on who comes first; decisions and scores do not."""
    inspector, frames = Inspector.load(tiny_bundle, threads=1), draw_frames(40)
    serial = [(inspector.inspect(frame).score, inspector.decide(frame).decision) for frame in frames]
    with ThreadPoolExecutor(2) as pool:
        scores = [found.score for found in pool.map(inspector.inspect, frames)]
        decisions = [result.decision for result in pool.map(inspector.decide, frames)]
    assert list(zip(scores, decisions, strict=True)) == serial


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


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError):
        Inspector.load(tmp_path / "pill")


def test_a_changed_bank_is_refused(tiny_bundle: Path) -> None:
    bank = np.load(tiny_bundle / "bank.npy")
    bank[7, 1] += 1
    np.save(tiny_bundle / "bank.npy", bank)
    with pytest.raises(BundleCorruptError, match=r"bank\.npy: changed"):
        Inspector.load(tiny_bundle)


@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: data[:-200], lambda data: b"garbage" * 99])  # noqa: ARG005
def test_a_damaged_network_is_refused_though_hashed(tiny_bundle: Path, spoil: object) -> None:
    assert callable(spoil)
    file = tiny_bundle / "backbone.onnx"
    file.write_bytes(spoil(file.read_bytes()))
    reseal(tiny_bundle)
    with pytest.raises(BundleCorruptError) as caught:
        Inspector.load(tiny_bundle)
    assert str(caught.value).startswith((f"{file}: ONNX Runtime refuses it", f"{file}: is cut off"))
    assert "\n" not in str(caught.value)


def test_an_index_of_another_bank_size_is_refused_though_hashed(tiny_bundle: Path) -> None:
    bank = np.load(tiny_bundle / "bank.npy")
    for other in (bank[:-1], np.hstack([bank, bank])):
        HnswIndex.build(other, m=4, ef_construction=10, seed=0).save(tiny_bundle / "index.hnsw")
        reseal(tiny_bundle)
        with pytest.raises(BundleCorruptError, match=r"index\.hnsw: "):
            Inspector.load(tiny_bundle)


@pytest.mark.parametrize("grid", [(8, 7), (9, 8), (4, 4)])
def test_a_grid_that_the_network_does_not_give_is_refused(tiny_bundle: Path, grid: tuple[int, int]) -> None:
    np.save(tiny_bundle / "hints.npy", np.zeros((grid[0] * grid[1], 4), np.int32))
    reseal(tiny_bundle, grid=Grid(height=grid[0], width=grid[1]))
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: gives features float32 \[1, 64, 3\]"):
        Inspector.load(tiny_bundle)


@pytest.mark.parametrize(("engine", "name"), [("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")])
def test_a_network_for_another_crop_is_refused(tiny_bundle: Path, engine: Engine, name: str) -> None:
    nodes = [
        helper.make_node("Cast", ["crop"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["features"]),
    ]
    write_network(tiny_bundle, nodes, side=64)
    with pytest.raises(BundleCorruptError, match=rf"backbone\.onnx: {name} can't run it"):
        Inspector.load(tiny_bundle, engine=engine)
    write_network(tiny_bundle, nodes)
    with pytest.raises(BundleCorruptError, match=r"gives features float32 \[1, 1024, 3\]"):
        Inspector.load(tiny_bundle, engine=engine)


def pooled(kind: int, *last: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", ["crop"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Transpose", ["pooled"], ["cells"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["cells", "shape"], ["rows"]),
        *(last or [helper.make_node("Cast", ["rows"], ["features"], to=kind)]),
    ]


def test_features_in_double_precision_are_refused(tiny_bundle: Path) -> None:
    write_network(tiny_bundle, pooled(TensorProto.DOUBLE), TensorProto.DOUBLE)
    with pytest.raises(BundleCorruptError, match=r"gives features float64 \[1, 64, 3\], .* float32"):
        Inspector.load(tiny_bundle)


def test_features_that_are_not_numbers_never_pass(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    """0 / 0 in the network, say where a half-precision sum overflowed: no comparison with NaN is true."""
    nodes = [helper.make_node("Mul", ["rows", "zero"], ["nought"]),
             helper.make_node("Div", ["nought", "zero"], ["features"])]  # fmt: skip
    write_network(tiny_bundle, pooled(TensorProto.FLOAT, *nodes))
    inspector = Inspector.load(tiny_bundle, self_test=False)
    for call in (inspector.inspect, inspector.decide):
        with pytest.raises(FrameError, match="NaN"):
            call(good_frame)


def test_what_it_was_loaded_from_can_be_asked(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    assert inspector.bundle.path == tiny_bundle
    assert inspector.manifest == read_bundle(tiny_bundle).manifest
    assert inspector.backbone.engine == "onnxruntime"
    assert inspector.remark is None


def claim(path: Path, engine: Engine, precision: Precision) -> None:
    """Let a bundle say that its bank was computed otherwise than it was."""
    learned = read_bundle(path).manifest.backbone.model_copy(
        update={"engine": engine, "precision": precision}
    )
    reseal(path, backbone=learned)


def spoil_golden(path: Path, off: float) -> None:
    golden = path / "golden/scores.json"
    frame, *others = json.loads(golden.read_text())
    frame["score"] += off
    golden.write_text(json.dumps([frame, *others]))
    reseal(path)


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


def threshold(path: Path, **fields: object) -> None:
    """Give a bundle's threshold further properties."""
    manifest = parse_manifest((path / "manifest.json").read_bytes(), "m")
    threshold = manifest.threshold.model_copy(update=fields)
    write_manifest(path, manifest.model_copy(update={"threshold": threshold}))


@pytest.mark.parametrize("min_area", [1, 40, 300, 1024])
def test_an_area_decides_as_the_exhaustive_map_does(tiny_bundle: Path, min_area: int) -> None:
    threshold(tiny_bundle, value=2.5, min_area=min_area)
    inspector = Inspector.load(tiny_bundle)
    decisions = set()
    for frame in draw_frames(40, seed=3):
        whole = draw_map(scores_from_scratch(tiny_bundle, frame).astype(np.float32), 32)
        found, inspection = inspector.decide(frame), inspector.inspect(frame)
        expected = Decision.FAIL if (whole > 2.5).sum() >= min_area else Decision.PASS
        assert found.decision is inspection.decision is expected
        np.testing.assert_allclose(inspection.anomaly_map, whole, rtol=1e-5, atol=1e-5)
        assert inspection.score == pytest.approx(np.sort(whole, axis=None)[-min_area], rel=1e-5, abs=1e-5)
        assert found.score == inspection.score or (
            found.bound is Bound.UPPER and inspection.score <= found.score <= 2.5
        )
        decisions.add(expected)
    assert len(decisions) == 2 or min_area >= 300


def test_between_two_thresholds_a_person_decides(tiny_bundle: Path) -> None:
    frames = draw_frames(60, seed=4)
    exact = [scores_from_scratch(tiny_bundle, frame).max() for frame in frames]
    low, high = np.quantile(exact, [0.3, 0.7])
    threshold(tiny_bundle, value=float(low), fail_above=float(high))
    inspector = Inspector.load(tiny_bundle)
    decisions = []
    for frame, score in zip(frames, exact, strict=True):
        found, inspection = inspector.decide(frame), inspector.inspect(frame)
        expected = Decision.PASS if score <= low else Decision.REVIEW if score <= high else Decision.FAIL
        assert found.decision is inspection.decision is expected
        assert (found.threshold, found.fail_above) == (low, high)
        decisions.append(expected)
    assert {str(decision) for decision in decisions} == {"PASS", "REVIEW", "FAIL"}


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
    threshold(tiny_bundle, calibration=calibration)
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


def test_a_bundle_that_is_cut_short_while_it_inspects_decides_on(
    tiny_bundle: Path, bad_frame: np.ndarray
) -> None:
    inspector = Inspector.load(tiny_bundle)
    before = inspector.inspect(bad_frame)
    for name in ("bank.npy", "weights.npy", "hints.npy", "index.hnsw", "backbone.onnx"):
        (tiny_bundle / name).write_bytes(b"")
    after = inspector.inspect(bad_frame)
    np.testing.assert_array_equal(after.anomaly_map, before.anomaly_map)
    assert (after.decision, after.score) == (Decision.FAIL, before.score)


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


def test_an_area_larger_than_the_map_is_not_rehearsed(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    threshold = inspector.manifest.threshold.model_copy(update={"min_area": 1025})
    with pytest.raises(UsageError, match="an area of 1,025 pixels is more than the anomaly map's 32 x 32"):
        inspector.override_threshold(threshold)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", [False, True])
def test_a_network_with_a_damaged_name_or_number_is_one_line(
    tiny_bundle: Path, engine: Engine, number: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """A name that is no UTF-8; a shape that doesn't fit, which shows when the network runs."""
    file = tiny_bundle / "backbone.onnx"
    network = onnx.load(file)
    if number:
        network.graph.initializer[0].int64_data[2] += 1
    data = network.SerializeToString()
    file.write_bytes(data if number else data.replace(b"shape", b"shap\xff"))
    reseal(tiny_bundle)
    with pytest.raises(BundleCorruptError, match=r"^[^\n]+$"):
        Inspector.load(tiny_bundle, engine=engine)
    assert capfd.readouterr() == ("", "")


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


def test_a_batch_names_the_camera_of_each_frame(tiny_bundle: Path) -> None:
    """Each camera has last-frame hints of its own, however many there are and in whatever order."""
    frames = draw_frames(24, seed=8)
    cameras = [5, 0, 2, 5, 7, 2, 0, 5]
    single, batched = Inspector.load(tiny_bundle), Inspector.load(tiny_bundle)
    for start in range(0, len(frames), len(cameras)):
        some = frames[start : start + len(cameras)]
        pairs = list(zip(some, cameras, strict=True))
        one_by_one = [single.decide(frame, camera) for frame, camera in pairs]
        assert [counts(one) for one in batched.decide_batch(some, cameras)] == [
            counts(one) for one in one_by_one
        ]
        drawn = [single.inspect(frame, camera) for frame, camera in pairs]
        assert [counts(one) for one in batched.inspect_batch(some, cameras)] == [counts(one) for one in drawn]


def test_a_batch_that_grows_and_shrinks_decides_the_same(tiny_bundle: Path) -> None:
    frames = draw_frames(9, seed=9)
    inspector = Inspector.load(tiny_bundle)
    expected = [inspector.inspect(frame).score for frame in frames]
    for size in (1, 3, 2, 9, 1):
        assert [one.score for one in inspector.inspect_batch(frames[:size])] == expected[:size]


@pytest.mark.parametrize("cameras", [[], [0], [0, 1, 2]])
def test_a_batch_of_another_number_of_cameras_is_refused(
    tiny_bundle: Path, good_frame: np.ndarray, cameras: list[int]
) -> None:
    inspector = Inspector.load(tiny_bundle, self_test=False)
    for method in (inspector.decide_batch, inspector.inspect_batch):
        with pytest.raises(ValueError, match=f"2 frames of {len(cameras)} cameras"):
            method([good_frame, good_frame], cameras)
