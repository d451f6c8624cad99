"""The promise: whatever the hints, the index and its `ef` answer, the decision is an exhaustive search's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from softcore_runtime.decision import Bound
from softcore_runtime.errors import FrameError
from softcore_runtime.search.hnsw import HnswIndex
from softcore_runtime.search.search import Search, SearchResult

FLOAT32_MAX = float(np.finfo(np.float32).max)
REGION = 16  # patches above the threshold that are exact in any case


@dataclass
class Draw:
    """A random bank with weights or floors, frames of patches, hints, and a right or wrong index."""

    bank: np.ndarray  # [n, d]
    weights: np.ndarray  # [n]
    floors: np.ndarray  # [n]
    frames: np.ndarray  # [F, P, d], of one camera
    hints: np.ndarray  # [P, h]
    index: HnswIndex
    thresholds: list[float]

    @property
    def search(self) -> Search:
        return Search(self.bank, self.weights, self.floors, self.index, self.hints)

    @cached_property
    def scores(self) -> np.ndarray:
        return np.stack(
            [exhaustive_scores(self.bank, self.weights, self.floors, patches) for patches in self.frames]
        )


def exhaustive_scores(
    bank: np.ndarray, weights: np.ndarray, floors: np.ndarray, patches: np.ndarray
) -> np.ndarray:
    """Score by the definition, in float64, one difference after the other; the first of a tie is nearest."""
    apart = patches[:, None].astype(np.float64) - bank[None].astype(np.float64)
    distances = np.maximum(np.sqrt(np.einsum("pnd,pnd->pn", apart, apart)), floors.astype(np.float64))
    return weights.astype(np.float64)[distances.argmin(1)] * distances.min(1)


def round_to_float32(scores: np.ndarray) -> np.ndarray:
    return np.minimum(scores, FLOAT32_MAX).astype(np.float32)


def draw_floors(
    draw: st.DrawFn, rng: np.random.Generator, bank: np.ndarray, frames: np.ndarray
) -> np.ndarray:
    """Floors float32 [n] below, among and above the distances, equal to one of them, and all the same."""
    n = len(bank)
    distances = cdist(frames.reshape(-1, bank.shape[1]).astype(float), bank.astype(float))
    typical = float(np.median(distances))
    kind = draw(st.sampled_from(["zero", "typical", "some zero", "distances", "even", "one low", "scales"]))
    floors = {
        "zero": np.zeros(n),
        "typical": typical * rng.uniform(0, 1.2, n),
        "some zero": np.where(rng.random(n) < 0.5, 0, typical * rng.random(n)),
        "distances": rng.choice(distances.min(1), n) * rng.choice([1, 1 + 2.0**-23, 1 - 2.0**-23], n),
        "even": np.full(n, typical / 2),
        "one low": np.where(np.arange(n) == rng.integers(n), typical, 1e3 * (1 + distances.max())),
        "scales": 10 ** rng.uniform(-40, 38, n),
    }[kind]
    return floors.astype(np.float32)


@st.composite
def draws(draw: st.DrawFn) -> Draw:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, dim, q = draw(st.integers(1, 120)), draw(st.integers(1, 24)), draw(st.integers(1, 60))
    scale = draw(st.sampled_from([1e-20, 1e-3, 1.0, 50.0, 1e15]))
    bank = scale * rng.normal(size=(n, dim)) + draw(st.sampled_from([0.0, 1.0, 1e4])) * scale
    near = bank[rng.integers(n, size=(3, q))] + 0.2 * scale * rng.normal(size=(3, q, dim))
    frames = np.where(rng.random((3, q, 1)) < 0.7, near, 2 * scale * rng.normal(size=(3, q, dim)))
    kind = draw(st.sampled_from(["even", "soft", "some zero", "all zero", "one huge", "many scales"]))
    weights = {
        "even": np.ones(n),
        "soft": 1 + rng.exponential(0.3, n),
        "some zero": np.where(rng.random(n) < 0.5, 0, 1 + rng.random(n)),
        "all zero": np.zeros(n),
        "one huge": np.where(np.arange(n) == rng.integers(n), 1e6, 1 + rng.random(n)),
        "many scales": 10 ** rng.uniform(-30, 30, n),
    }[kind]
    if draw(st.booleans()):  # ties, exact in float32 too; their weights differ
        bank, frames = (
            np.round(bank / scale) * np.float32(scale),
            np.round(frames / scale) * np.float32(scale),
        )
    bank, weights, frames = (array.astype(np.float32) for array in (bank, weights, frames))
    floors = np.zeros(n, np.float32)
    if kind == "even" or draw(st.booleans()):
        weights, floors = np.ones(n, np.float32), draw_floors(draw, rng, bank, frames)
    # Hints that are right for the first frame, wrong, doubled, or one entry for all.
    right = cdist(frames[0].astype(float), bank.astype(float)).argsort(1)
    hints = {
        "right": np.resize(right.T, (3, q)).T,
        "wrong": rng.integers(n, size=(q, draw(st.integers(1, 40)))),
        "doubled": np.repeat(rng.integers(n, size=(q, 1)), 4, axis=1),
        "useless": np.zeros((q, 1)),
    }[draw(st.sampled_from(["right", "wrong", "doubled", "useless"]))].astype(np.int32)
    # An index over the wrong rows gives wrong answers.
    indexed = {
        "right": bank,
        "shuffled": rng.permutation(bank),
        "unrelated": rng.normal(size=bank.shape).astype(np.float32),
    }[draw(st.sampled_from(["right", "shuffled", "unrelated"]))]
    index = HnswIndex.build(indexed, m=draw(st.sampled_from([2, 8])), ef_construction=20, seed=0)
    index.ef_search = draw(st.integers(1, 50))
    if draw(st.booleans()):
        index.set_floors(floors)

    # Limits where they matter: the very scores, their neighbours in float64, and around them.
    found = Draw(bank, weights, floors, frames, hints, index, [])
    highest = found.scores.max(axis=1)
    for value in (
        *highest,
        np.median(found.scores),
        scale * draw(st.floats(0.3, 3)),
        *floors[: bool(floors.any())].astype(float),
    ):
        found.thresholds += [value, np.nextafter(value, -np.inf), np.nextafter(value, np.inf)]
    found.thresholds = [threshold for threshold in found.thresholds if threshold > 0]
    return found


@settings(max_examples=100, deadline=None)
@given(draws())
def test_the_decision_is_that_of_an_exhaustive_search_to_the_last_bit(draw: Draw) -> None:
    """At every threshold, the scores themselves and their neighbours in float64 among them."""
    for threshold in draw.thresholds:
        search = draw.search  # so that the frames come one after the other, with the last one's hints
        for patches, scores in zip(draw.frames, draw.scores, strict=True):
            assert search.decide(patches, threshold).above == (scores.max() > threshold)
            assert search.inspect(patches, threshold)[0].above == (scores.max() > threshold)


@settings(max_examples=80, deadline=None)
@given(draws())
def test_a_bound_is_one(draw: Draw) -> None:
    for threshold in draw.thresholds:
        search = draw.search
        for patches, scores in zip(draw.frames, draw.scores, strict=True):
            found, highest = search.decide(patches, threshold), scores.max()
            if found.bound is Bound.EXACT:
                assert found.score == highest
            elif found.bound is Bound.UPPER:
                assert highest <= found.score <= threshold
            else:
                assert threshold < found.score <= highest


@settings(max_examples=80, deadline=None)
@given(draws())
def test_a_maps_score_is_exact_and_is_its_highest(draw: Draw) -> None:
    for threshold in draw.thresholds[::3]:
        search = draw.search
        for patches, scores in zip(draw.frames, draw.scores, strict=True):
            found, patch_scores = search.inspect(patches, threshold)
            assert found.bound is Bound.EXACT
            assert found.score == scores.max()
            assert patch_scores.dtype == np.float32
            assert patch_scores.max() == round_to_float32(scores).max()
            assert found.exact >= min(REGION, (scores > threshold).sum())


@settings(max_examples=100, deadline=None)
@given(draws())
def test_every_score_of_a_map_lies_within_its_interval(draw: Draw) -> None:
    """No score is above the drawn one, times what the weights may hide; none is drawn above the highest."""
    weights = draw.weights.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        hidden = np.nan_to_num(weights.max() / weights.min(), nan=1.0, posinf=np.inf)
    for threshold in draw.thresholds[::4]:
        search = draw.search
        for patches, scores in zip(draw.frames, draw.scores, strict=True):
            _, drawn = search.inspect(patches, threshold)
            upper = np.multiply(drawn.astype(np.float64), hidden, where=drawn > 0, out=np.zeros(len(drawn)))
            underflow = 1e-18 * weights.max()  # of float32's squares
            rounded = np.minimum(scores, FLOAT32_MAX)
            if np.isfinite(hidden):
                assert (rounded <= upper * (1 + 1e-5) + underflow).all()
            assert (drawn <= round_to_float32(scores).max()).all()


@settings(max_examples=100, deadline=None)
@given(draws())
def test_a_map_holds_distances_to_entries(draw: Draw) -> None:
    """Every score, exact or not, is the weighted distance to some entry of the bank, or its floor."""
    threshold = draw.thresholds[0] if draw.thresholds else 1.0
    found, patch_scores = draw.search.inspect(draw.frames[0], threshold)
    distances = cdist(draw.frames[0].astype(float), draw.bank.astype(float))
    candidates = draw.weights * np.maximum(distances, draw.floors)
    candidates = np.minimum(candidates, FLOAT32_MAX)
    nearest = candidates[np.arange(len(patch_scores)), abs(candidates - patch_scores[:, None]).argmin(1)]
    underflow = 1e-18 * draw.weights.max()  # of float32's squares
    np.testing.assert_allclose(patch_scores, nearest, rtol=1e-5, atol=underflow)
    settled = found.by_hint + found.by_hnsw + found.exact
    assert settled <= len(patch_scores)
    if not found.above:
        return
    assert len(patch_scores) - settled <= max(0, (patch_scores >= threshold * (1 - 1e-4)).sum())


@settings(max_examples=50, deadline=None)
@given(draws())
def test_all_scores_are_exact_where_all_are_asked_for(draw: Draw) -> None:
    for threshold in draw.thresholds[::6]:
        search = draw.search
        for patches, scores in zip(draw.frames, draw.scores, strict=True):
            found, patch_scores = search.score(patches, threshold)
            assert (found.score, found.bound, found.exact) == (scores.max(), Bound.EXACT, len(scores))
            np.testing.assert_array_equal(patch_scores, round_to_float32(scores))


@pytest.mark.parametrize("size", [784, 1600])
def test_the_work_on_a_bad_part_is_bounded(size: int) -> None:
    """However many patches are above the threshold, few are searched exhaustively or asked for."""
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(600, 16)).astype(np.float32)
    search = search_of(bank, positions=size)
    asked: list[int] = []
    nearest = HnswIndex.nearest

    class Counting:
        def nearest(self, queries: np.ndarray) -> np.ndarray:
            asked.append(len(queries))
            return nearest(index, queries)

    index = HnswIndex.build(bank, m=16, ef_construction=100, seed=0)
    index.ef_search = 100
    search = Search(bank, np.ones(600, np.float32), None, Counting(), np.zeros((size, 1), np.int32))
    patches = (bank[rng.integers(600, size=size)] + rng.normal(size=(size, 16)) + 4).astype(np.float32)
    found, drawn = search.inspect(patches, threshold=0.1)
    exact = cdist(patches, bank).min(1)
    assert found.exact == REGION
    assert sum(asked) < size / 2
    worst = np.argsort(-exact)[:1]
    np.testing.assert_allclose(drawn[worst], exact[worst], rtol=1e-6)
    assert (drawn >= exact * (1 - 1e-5)).all()
    assert np.mean(drawn / exact) < 1.2


def test_patches_that_share_the_highest_floor_are_not_all_searched() -> None:
    """An entry's floor is the score of many patches; rounding alone would leave each of them possible."""
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(300, 16)).astype(np.float32)
    floors = np.full(300, 2, np.float32)
    search = search_of(bank, floors=floors, positions=100)
    found, drawn = search.inspect((bank[:100] + 0.01).astype(np.float32), threshold=3.0)
    assert found.score == 2
    assert found.exact <= 2
    np.testing.assert_array_equal(drawn, 2)


def search_of(
    bank: np.ndarray,
    weights: np.ndarray | None = None,
    hints: np.ndarray | None = None,
    positions: int = 1,
    floors: np.ndarray | None = None,
) -> Search:
    index = HnswIndex.build(bank, m=16, ef_construction=100, seed=0)
    index.ef_search = 100
    return Search(
        bank,
        np.ones(len(bank), np.float32) if weights is None else weights,
        floors,
        index,
        np.zeros((positions, 1), np.int32) if hints is None else hints,
    )


def stages(found: SearchResult) -> tuple[int, int, int]:
    return found.by_hint, found.by_hnsw, found.exact


def test_each_stage_takes_what_the_one_before_left() -> None:
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(500, 8)).astype(np.float32)
    hints = np.arange(100, dtype=np.int32)[:, None].copy()
    hints[60:] = 499  # no use
    patches = np.concatenate([bank[:90] + np.float32(0.01), bank[:10] + np.float32(30)])
    search = search_of(bank, hints=hints)
    found, patch_scores = search.inspect(patches, threshold=0.1)
    assert stages(found) == (60, 30, 10)
    assert (patch_scores > 0.1).sum() == 10
    # What served is tried first: the index isn't needed any more.
    assert stages(search.inspect(patches, threshold=0.1)[0]) == (90, 0, 10)
    # Another camera has seen nothing yet.
    assert stages(search.inspect(patches, threshold=0.1, camera=1)[0]) == (60, 30, 10)
    # A decision stops at the first patch that is above the threshold.
    found = search.decide(patches, threshold=0.1)
    assert stages(found) == (90, 0, 1)
    assert found.above


def test_a_fail_may_stop_before_the_worst_patch_and_says_so() -> None:
    """The hints of two patches are so bad that they seem worse than the third."""
    bank = np.float32([[0], [100]])
    search = search_of(bank, hints=np.int32([[1], [1], [0]]))
    found = search.decide(np.float32([[10], [5], [40]]), threshold=1.0)
    assert (found.above, found.score, found.bound) == (True, 10, Bound.LOWER)
    assert search.inspect(np.float32([[10], [5], [40]]), threshold=1.0)[0].score == 40


def test_a_good_frame_that_the_hints_certify_is_searched_no_further() -> None:
    bank = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    search = search_of(bank, hints=np.arange(50, dtype=np.int32)[:, None])
    found = search.decide(bank + np.float32(0.01), threshold=0.1)
    assert stages(found) == (50, 0, 0)
    assert not found.above
    assert found.bound is Bound.UPPER


def test_a_defect_does_not_spoil_the_last_frames_entries() -> None:
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(200, 4)).astype(np.float32)
    search = search_of(bank, positions=20)
    good = bank[:20] + np.float32(0.01)
    search.inspect(good, threshold=0.1)
    assert stages(search.decide(good, threshold=0.1)) == (20, 0, 0)
    search.inspect(good + np.float32(9), threshold=0.1)
    assert stages(search.decide(good, threshold=0.1)) == (20, 0, 0)


def test_a_heavy_entry_elsewhere_makes_the_search_exact_not_wrong() -> None:
    """W bounds every weight, so one heavy entry costs time for all patches; their scores stay their own."""
    bank = np.float32([[0, 0], [100, 100]])
    found = search_of(bank, np.float32([1, 1000])).decide(np.float32([[0.5, 0]]), threshold=1.0)
    assert stages(found) == (0, 0, 1)
    assert found.score == 0.5


def test_an_entry_of_the_bank_is_at_distance_zero() -> None:
    """Without cancellation: ||p||^2 - 2 p.m + ||m||^2 would leave a remainder at such lengths."""
    bank = (1000 + np.random.default_rng(0).normal(size=(50, 64))).astype(np.float32)
    found, patch_scores = search_of(bank, positions=50).inspect(bank, threshold=1e-3)
    assert found.score == 0
    np.testing.assert_array_equal(patch_scores, 0)


@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["decide", "inspect"])
@pytest.mark.parametrize("floor", [0, 0.5])
def test_a_frame_without_numbers_is_refused_not_passed(method: str, spoiled: float, floor: float) -> None:
    bank = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    search = search_of(bank, positions=50, floors=np.full(50, floor, np.float32))
    patches = bank.copy()
    patches[7, 2] = spoiled
    with pytest.raises(FrameError, match="NaN or infinity"):
        getattr(search, method)(patches, 1.0)
    assert not search.decide(bank, 1.0).above  # and does no harm to the next


def test_a_threshold_below_zero_fails_everything() -> None:
    bank = np.zeros((3, 2), np.float32)
    assert search_of(bank).decide(bank[:1], -1.0).above
    assert not search_of(bank).decide(bank[:1], 0.0).above


@pytest.mark.parametrize("patches", [np.zeros((2, 4), np.float32), np.zeros((3, 4)), np.zeros((3, 5), "f4")])
def test_patches_of_another_frame_are_refused(patches: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"float32 \[3, 4\]"):
        search_of(np.zeros((5, 4), np.float32), positions=3).decide(patches, 1.0)


def test_an_entry_excuses_no_patch_further_than_its_floor() -> None:
    """Two entries: a defect that was learned once, and what other images show."""
    bank = np.float32([[0, 0], [3, 4]])
    search = search_of(bank, floors=np.float32([1, 9]), positions=3)
    patches = np.float32([[0.5, 0], [3, 4], [6, 8]])
    found, scores = search.inspect(patches, threshold=2.0)
    np.testing.assert_array_equal(scores[1:], [5, 9])  # the first entry's distance; the second entry's floor
    assert (found.score, found.bound) == (9, Bound.EXACT)
    np.testing.assert_array_equal(search.score(patches, 2.0)[1], [1, 5, 9])


def test_only_entries_with_a_floor_within_the_threshold_certify() -> None:
    bank = np.float32([[0], [1], [50]])
    hints = np.int32([[0, 1]])
    patches = np.float32([[0.1]])
    assert stages(search_of(bank, hints=hints).decide(patches, 1.0)) == (1, 0, 0)
    # The nearest entry has too high a floor; the second hint is near enough, too.
    found = search_of(bank, hints=hints, floors=np.float32([5, 0.2, 0])).decide(patches, 1.0)
    assert (found.above, stages(found)) == (False, (1, 0, 0))
    # Neither entry nearby certifies, and the third is too far.
    found = search_of(bank, hints=hints, floors=np.float32([5, 4, 0])).decide(patches, 1.0)
    assert (found.above, found.score, stages(found)) == (True, 4, (0, 0, 1))


@pytest.mark.parametrize("floor", [1.0, 0.1, 1 / 3, 1e-30, 1e30])
def test_a_floor_at_the_threshold_passes_and_above_it_fails(floor: float) -> None:
    floors = np.float32([floor])
    search = search_of(np.float32([[0]]), floors=floors)
    for method in (search.decide, lambda *a: search.inspect(*a)[0]):
        assert not method(np.float32([[0]]), float(floors[0])).above
        assert method(np.float32([[0]]), float(np.nextafter(np.float64(floors[0]), 0))).above


@settings(max_examples=30, deadline=None)
@given(draws())
def test_floors_of_zero_change_nothing(draw: Draw) -> None:
    for threshold in draw.thresholds[::4]:
        results = []
        for floors in (None, np.zeros(len(draw.bank), np.float32)):
            search = Search(draw.bank, draw.weights, floors, draw.index, draw.hints)
            for patches in draw.frames:
                found, scores = search.inspect(patches, threshold)
                results.append((vars(search.decide(patches, threshold)), vars(found), scores.tobytes()))
        assert results[:3] == results[3:]


def test_floors_beside_soft_weights_are_refused() -> None:
    bank = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="soft weights or floors, not both"):
        search_of(bank, np.float32([1, 1.5]), floors=np.float32([0, 1]))
    search_of(bank, np.float32([1, 1.5]), floors=np.float32([0, 0]))
    with pytest.raises(ValueError, match=r"floors must be \[2\], not \[3\]"):
        search_of(bank, floors=np.zeros(3, np.float32))
