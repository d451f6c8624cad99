from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from softcore_runtime import Bound, Decision, InspectionResult, Inspector
from softcore_runtime.bundle.bundle import (
    read_bundle,
    record_files,
)
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import (
    BundleCorruptError,
    BundleNotFoundError,
    FrameError,
)
from softcore_runtime.inspection.anomaly_map import draw_map
from softcore_runtime.search.hnsw import HnswIndex

from .bundles import counts, draw_frames, reseal, scores_from_scratch, set_floors


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


@pytest.mark.parametrize("floor", [0, 6])
def test_every_decision_is_that_from_scratch_and_every_bound_holds(tiny_bundle: Path, floor: float) -> None:
    """One inspector only decides, the other draws its maps: over a whole run they must not part."""
    if floor:
        set_floors(tiny_bundle, np.random.default_rng(0).exponential(floor, 768))
    fast, thorough = (Inspector.load(tiny_bundle, self_test=False) for _ in range(2))
    seen = set()
    for frame in draw_frames(150):
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
    reseal(tiny_bundle, threshold=1e-6)  # every patch lies above it
    inspector = Inspector.load(tiny_bundle, self_test=False)
    frame = np.random.default_rng(seed).integers(0, 256, (36, 36, 3), dtype=np.uint8)
    found, expected = inspector.inspect(frame), scores_from_scratch(tiny_bundle, frame)
    assert found.exact == 16
    assert found.score == pytest.approx(expected.max(), rel=1e-4)
    assert np.isclose(found.patch_scores, expected, rtol=1e-4).mean() > 0.9
    np.testing.assert_array_equal(found.anomaly_map, draw_map(found.patch_scores, (32, 32)))
    assert found.score == pytest.approx(float(found.patch_scores.max()), rel=1e-6)
    assert found.decision is Decision.FAIL
    # An area's score needs all patches'.
    inspector.override_threshold(Threshold(value=1e-6, provisional=False, method="a trial", min_area=1))
    found = inspector.inspect(frame)
    assert found.exact == 64
    np.testing.assert_allclose(found.patch_scores, expected, rtol=1e-4)


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


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError):
        Inspector.load(tmp_path / "pill")


def test_a_changed_bank_is_refused(tiny_bundle: Path) -> None:
    bank = np.load(tiny_bundle / "bank.npy")
    bank[7, 1] += 1
    np.save(tiny_bundle / "bank.npy", bank)
    with pytest.raises(BundleCorruptError, match=r"bank\.npy: changed"):
        Inspector.load(tiny_bundle)


def test_an_index_of_another_bank_size_is_refused_though_hashed(tiny_bundle: Path) -> None:
    bank = np.load(tiny_bundle / "bank.npy")
    for other in (bank[:-1], np.hstack([bank, bank])):
        HnswIndex.build(other, m=4, ef_construction=10, seed=0).save(tiny_bundle / "index.hnsw")
        reseal(tiny_bundle)
        with pytest.raises(BundleCorruptError, match=r"index\.hnsw: "):
            Inspector.load(tiny_bundle)


def test_what_it_was_loaded_from_can_be_asked(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle)
    assert inspector.bundle.path == tiny_bundle
    assert inspector.manifest == read_bundle(tiny_bundle).manifest
    assert inspector.backbone.engine == "onnxruntime"
    assert inspector.remark is None


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


@pytest.mark.parametrize("cameras", [[], [0], [0, 1, 2]])
def test_a_batch_of_another_number_of_cameras_is_refused(
    tiny_bundle: Path, good_frame: np.ndarray, cameras: list[int]
) -> None:
    inspector = Inspector.load(tiny_bundle, self_test=False)
    for method in (inspector.decide_batch, inspector.inspect_batch):
        with pytest.raises(ValueError, match=f"2 frames of {len(cameras)} cameras"):
            method([good_frame, good_frame], cameras)
