from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks import latency
from softcore_benchmarks.baselines.anomalib_patchcore import FORMS
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.latency import Frames, Rival, _time, _watch_edge
from softcore_runtime import Inspector


def test_frames_are_spread_over_the_good_and_the_bad(root: Path) -> None:
    frames = Frames.read(Category.find(root / "stripes"), 2)
    assert [path.parent.name for path in frames.good_paths] == ["good", "good"]
    assert [path.name for path in frames.good_paths] == ["00.png", "02.png"]
    assert {path.parent.name for path in frames.bad_paths} == {"hole", "spot"}
    assert len(frames.good) == len(frames.bad) == 2


def test_the_others_search_the_same_bank(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray
) -> None:
    inspector = Inspector.load(tiny_bundle)
    rival = Rival(inspector)
    for frame in (good_frame, bad_frame):
        assert rival.exhaustive(frame) == pytest.approx(inspector.inspect(frame).score, rel=1e-5)
        assert rival.hnsw(frame) == pytest.approx(inspector.inspect(frame).score, rel=0.2)
        crop = inspector.manifest.preprocessing.apply(frame)[None]
        np.testing.assert_array_equal(rival.bare(frame)(), inspector.backbone.features(crop))


def test_every_system_is_timed_against_its_own_network(
    tiny_bundle: Path, good_frame: np.ndarray, tmp_path: Path
) -> None:
    found = _time({"tiny": Inspector.load(tiny_bundle)}, None, [good_frame], [tmp_path], 2)
    assert set(found) == {
        f"tiny: {name}" for name in ("bare network", "decide", "inspect", "HNSW only", "exhaustive numpy")
    }
    assert found["tiny: bare network"].ratio == 1
    assert not any(form in name for form in FORMS for name in found)


def test_the_edge_is_watched(tiny_bundle: Path, good_frame: np.ndarray, tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "good.png"), good_frame)
    seconds, peak = _watch_edge(tiny_bundle, tmp_path / "good.png")
    assert 0.05 < seconds < 60
    assert 20 < peak < 2000


def test_one_command_writes_page_image_and_numbers(
    root: Path,
    resnet18: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(latency, "PLANS", {"stripes": 9})
    monkeypatch.setattr(latency, "calm_threads", lambda: None)  # it would start pytest anew
    monkeypatch.setattr(latency, "CROPS", (224, 240))  # 448 takes long
    monkeypatch.setattr(latency, "_LARGE_CROP_IMAGES", 8)
    data = ["--data", str(root), "--out", str(tmp_path)]
    some = ["--networks", "onnxruntime fp32", "--rounds", "1", "--alone"]
    assert latency.main([*data, "--weights", str(resnet18), *some]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "LATENCY.md")
    every = json.loads((tmp_path / "results/latency.json").read_text())
    assert list(every) == ["stripes", "stripes at 240 pixels"]
    assert every["stripes at 240 pixels"]["entries"] == round(0.1 * 8 * 900)
    told = every["stripes"]
    assert told["images"] == 9
    assert told["entries"] == round(0.1 * 9 * 784)
    assert set(told["auroc"]) == {"onnxruntime fp32"}
    page = (tmp_path / "LATENCY.md").read_text()
    for words in ("| onnxruntime fp32: decide", "9 training images", "706 entries", "first decision"):
        assert words in page
    assert str(tmp_path) not in page
    assert cv2.imread(str(tmp_path / "results/latency.png")).std() > 10

    assert latency.main([*data, "--weights", "nowhere.pth"]) == 2
