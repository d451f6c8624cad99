from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from softcore_runtime import Inspector
from softcore_runtime.backends.devices import Device, read_search_times
from softcore_runtime.backends.ort import OnnxBackbone, OnnxIndex
from softcore_runtime.errors import ProviderError, SelfTestError
from softcore_runtime.inspection.preparation import prepare
from softcore_runtime.inspection.self_test import GoldenFrames, GoldenScore, count_flipped, largest_difference
from softcore_runtime.search.hnsw import HnswIndex


def test_a_bundle_is_prepared_on_a_machine_without_a_gpu(tiny_bundle: Path) -> None:
    done = prepare(tiny_bundle, provider="cpu")
    assert done.inspector.backbone.provider == "cpu"
    assert done.search is None
    assert [one.file for one in done.golden] == ["good.png", "spoiled.png"]
    assert largest_difference(done.golden) < 1e-5
    assert not (tiny_bundle / "engines").exists()


def test_another_score_is_reported_and_another_decision_refused(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threshold is 12: a network that computes otherwise may not change sides, not even by a little."""
    said = {"good.png": (11.9, 11.99)}
    monkeypatch.setattr(
        GoldenFrames, "compare", lambda _: tuple(GoldenScore(n, a, b, 12.0) for n, (a, b) in said.items())
    )
    done = prepare(tiny_bundle, provider="cpu")
    assert largest_difference(done.golden) == pytest.approx(0.09 / 12)
    said["bad.png"] = (12.1, 11.99)
    with pytest.raises(
        SelfTestError, match=r"decides 1 of 2 golden frames otherwise .*bad\.png scores 11\.99"
    ):
        prepare(tiny_bundle, provider="cpu")


def test_a_provider_that_is_not_there_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(ProviderError, match="provider cuda: "):
        prepare(tiny_bundle, provider="cuda")


@pytest.mark.parametrize(("graph", "hnsw", "index"), [(1.0, 2.0, OnnxIndex), (2.0, 1.0, HnswIndex)])
def test_the_search_that_was_measured_to_be_faster_serves_from_then_on(
    tiny_bundle: Path,
    good_frame: np.ndarray,
    bad_frame: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    graph: float,
    hnsw: float,
    index: type,
) -> None:
    device = Device("Orin", "8.7", "12.6")
    plain = Inspector.load(tiny_bundle)

    def claim_gpu(*_: object) -> OnnxIndex:
        return OnnxIndex(plain.bundle.bank)

    monkeypatch.setattr(OnnxBackbone, "open_index", claim_gpu)
    monkeypatch.setattr(OnnxBackbone, "device", property(lambda _: device, lambda *_: None), raising=False)
    monkeypatch.setattr(OnnxBackbone, "_check_run", lambda *_: None)
    assert isinstance(
        Inspector.load(tiny_bundle)._scorer._search._suggestions._index, HnswIndex
    )  # nothing was measured yet
    done = prepare(tiny_bundle, provider="cpu")
    assert done.search
    assert min(done.search.graph, done.search.hnsw) > 0
    file = tiny_bundle / "engines/search.json"
    assert done.search == read_search_times(
        tiny_bundle, device, done.inspector.backbone.version, done.inspector.manifest.files["bank.npy"].sha256
    )
    file.write_text(json.dumps({**json.loads(file.read_text()), "graph": graph, "hnsw": hnsw}))
    inspector = Inspector.load(tiny_bundle)
    assert isinstance(inspector._scorer._search._suggestions._index, index)
    for frame in (good_frame, bad_frame):
        ours, theirs = inspector.inspect(frame), plain.inspect(frame)
        assert (ours.decision, ours.score) == (theirs.decision, theirs.score)


def test_repeated_frames_are_compared_in_units_of_the_score_or_the_threshold() -> None:
    repeated = (
        GoldenScore("a", 1.0, 1.1, 2.0),
        GoldenScore("b", 4.0, 3.9, 2.0),
        GoldenScore("c", 2.1, 1.9, 2.0),
    )
    assert [one.difference for one in repeated] == pytest.approx([0.05, 0.025, 0.2 / 2.1])
    assert largest_difference(repeated) == pytest.approx(0.2 / 2.1)
    assert [one.flipped for one in repeated] == [False, False, True]
    assert count_flipped(repeated) == 1
    assert (largest_difference(()), count_flipped(())) == (0, 0)
    assert repeated[2].is_clear(0.01)
    assert not repeated[2].is_clear(0.1)
