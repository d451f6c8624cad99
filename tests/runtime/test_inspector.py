from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from scipy.spatial.distance import cdist
from softcore_runtime import Decision, Inspector
from softcore_runtime.anomaly_map import draw_map
from softcore_runtime.bundle import read_bundle, record_files, write_manifest
from softcore_runtime.errors import BundleCorruptError, BundleNotFoundError, FrameError, SelfTestError
from softcore_runtime.hnsw import HnswIndex
from softcore_runtime.manifest import Grid, parse_manifest


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


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_from_scratch(tiny_bundle: Path, seed: int) -> None:
    reseal(tiny_bundle, threshold=1e-6)  # every patch could lie above it, so every score must be exact
    inspector = Inspector.load(tiny_bundle, self_test=False)
    frame = np.random.default_rng(seed).integers(0, 256, (36, 36, 3), dtype=np.uint8)
    found, expected = inspector.inspect(frame), scores_from_scratch(tiny_bundle, frame)
    assert found.searched_exactly == 64
    np.testing.assert_allclose(found.patch_scores, expected, rtol=1e-4)
    assert found.score == pytest.approx(expected.max(), rel=1e-4)
    np.testing.assert_array_equal(found.anomaly_map, draw_map(found.patch_scores, 32))
    assert (found.score, found.decision) == (float(found.patch_scores.max()), Decision.FAIL)


def test_scores_above_the_limit_are_exact_and_the_rest_stay_below(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    frame = np.full((36, 36, 3), 110, np.uint8)
    frame[10:20, 10:20] = np.random.default_rng(1).integers(0, 256, (10, 10, 3))
    found, expected = inspector.inspect(frame), scores_from_scratch(tiny_bundle, frame)
    above = expected > 12
    assert 0 < above.sum() < 64
    np.testing.assert_array_equal(found.patch_scores > 12, above)
    np.testing.assert_allclose(found.patch_scores[above], expected[above], rtol=1e-4)


def test_a_useless_index_changes_no_decision(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray
) -> None:
    bank = np.load(tiny_bundle / "bank.npy")
    frames = [
        good_frame,
        bad_frame,
        *np.random.default_rng(0).integers(100, 130, (5, 36, 36, 3), dtype=np.uint8),
    ]
    before = [Inspector.load(tiny_bundle).inspect(frame) for frame in frames]
    wrong = np.random.default_rng(0).permutation(bank)
    HnswIndex.build(wrong, m=2, ef_construction=4, seed=0).save(tiny_bundle / "index.hnsw")
    reseal(tiny_bundle)
    inspector = Inspector.load(tiny_bundle, self_test=False)
    after = [inspector.inspect(frame) for frame in frames]
    assert [found.decision for found in after] == [found.decision for found in before]
    assert sum(found.searched_exactly for found in after) > sum(found.searched_exactly for found in before)


def test_two_loads_give_the_same_bits(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    first, second = Inspector.load(tiny_bundle), Inspector.load(str(tiny_bundle), threads=1)
    for frame in (bad_frame, bad_frame[:, ::-1], np.repeat(bad_frame, 5, 1)):
        one, two, three = first.inspect(frame), second.inspect(frame), first.inspect(frame)
        for other in (two, three):
            assert one.score == other.score
            assert one.patch_scores.tobytes() == other.patch_scores.tobytes()
            assert one.anomaly_map.tobytes() == other.anomaly_map.tobytes()


def test_grey_and_sixteen_bits_score_as_colour(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    inspector = Inspector.load(tiny_bundle)
    score = inspector.inspect(bad_frame).score
    assert inspector.inspect(bad_frame[:, :, 0]).score == score
    assert inspector.inspect(bad_frame.astype(np.uint16) * 257).score == score
    assert inspector.inspect(np.dstack([bad_frame, bad_frame[:, :, 0]])).score == score


def test_an_inspection_changes_neither_frame_nor_bundle(tiny_bundle: Path, bad_frame: np.ndarray) -> None:
    frame, files = bad_frame.copy(), record_files(tiny_bundle)
    frame.flags.writeable = False
    Inspector.load(tiny_bundle).inspect(frame)
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
    with pytest.raises(FrameError):
        Inspector.load(tiny_bundle).inspect(frame)


def test_threads_share_an_inspector(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    rng = np.random.default_rng(0)
    frames = [rng.integers(60, 160, (48, 48, 3), dtype=np.uint8) for _ in range(60)]
    serial = [inspector.inspect(frame).patch_scores.tobytes() for frame in frames]
    with ThreadPoolExecutor(2) as pool:
        parallel = [found.patch_scores.tobytes() for found in pool.map(inspector.inspect, frames)]
    assert parallel == serial
    assert len(set(serial)) == len(frames)


def test_the_self_test_reports_how_far_it_was_off(tiny_bundle: Path) -> None:
    assert Inspector.load(tiny_bundle).run_self_test() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("off", [0.4, -0.4, 100])
def test_a_wrong_golden_score_fails_the_self_test(tiny_bundle: Path, off: float) -> None:
    golden = tiny_bundle / "golden/scores.json"
    (frame,) = json.loads(golden.read_text())
    frame["score"] += off
    golden.write_text(json.dumps([frame]))
    reseal(tiny_bundle)
    with pytest.raises(SelfTestError, match=r"good\.png scores .* here, .* at export"):
        Inspector.load(tiny_bundle)
    inspector = Inspector.load(tiny_bundle, self_test=False)
    with pytest.raises(SelfTestError):
        inspector.run_self_test()


def test_a_golden_score_within_rounding_passes(tiny_bundle: Path) -> None:
    golden = tiny_bundle / "golden/scores.json"
    (frame,) = json.loads(golden.read_text())
    frame["score"] += 0.012  # a thousandth of the limit
    golden.write_text(json.dumps([frame]))
    reseal(tiny_bundle)
    assert Inspector.load(tiny_bundle).run_self_test() == pytest.approx(1e-3, rel=0.01)


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
    assert str(caught.value).startswith(f"{file}: ONNX Runtime refuses it")
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
    reseal(tiny_bundle, grid=Grid(height=grid[0], width=grid[1]))
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: gives features float32 \[1, 64, 3\]"):
        Inspector.load(tiny_bundle)


def test_a_network_for_another_crop_is_refused(tiny_bundle: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["crop"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["features"]),
    ]
    write_network(tiny_bundle, nodes, side=64)
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: ONNX Runtime can't run it"):
        Inspector.load(tiny_bundle)
    write_network(tiny_bundle, nodes)
    with pytest.raises(BundleCorruptError, match=r"gives features float32 \[1, 1024, 3\]"):
        Inspector.load(tiny_bundle)


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
    with pytest.raises(ValueError, match="nan"):
        inspector.inspect(good_frame)


def test_what_it_was_loaded_from_can_be_asked(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    assert inspector.bundle.path == tiny_bundle
    assert inspector.manifest == read_bundle(tiny_bundle).manifest
