from __future__ import annotations

import gc
import shutil
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from softcore_runtime import Inspector
from softcore_runtime.backends import backbones
from softcore_runtime.backends.backbones import check_choice, open_backbone, share_backbone
from softcore_runtime.backends.engine import ENGINES, Engine
from softcore_runtime.bundle.bundle import BACKBONE, read_manifest
from softcore_runtime.errors import BundleCorruptError, MissingLibraryError, ProviderError, UsageError


def test_the_same_network_is_open_once(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))
    one, other = Inspector.load(tiny_bundle), Inspector.load(copy)
    assert one.backbone is other.backbone
    assert Inspector.load(tiny_bundle, threads=7).backbone is not one.backbone


def test_nobody_keeps_it_open(tiny_bundle: Path) -> None:
    sha256 = read_manifest(tiny_bundle).files[BACKBONE].sha256
    shared = share_backbone(tiny_bundle / BACKBONE, sha256, "onnxruntime", "fp32", 3)
    assert share_backbone(tiny_bundle / BACKBONE, sha256, "onnxruntime", "fp32", 3) is shared
    last = weakref.ref(shared)
    del shared
    gc.collect()
    assert last() is None


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_inspectors_that_share_one_do_not_mix_frames(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray, engine: str
) -> None:
    inspectors = [Inspector.load(tiny_bundle, engine=engine) for _ in range(2)]  # type: ignore[arg-type]
    frames = good_frame, bad_frame
    expected = [inspectors[0].inspect(frame).score for frame in frames]
    scores: list[list[float]] = [[], []]

    def work(which: int) -> None:
        for _ in range(200):
            scores[which].append(inspectors[which].inspect(frames[which]).score)

    threads = [threading.Thread(target=work, args=[which]) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(own) for own in scores] == [{score} for score in expected]


def test_either_engine_computes_the_same(tiny_bundle: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    cells = crops.astype(float).reshape(3, 8, 4, 8, 4, 3).mean((2, 4)).reshape(3, 64, 3)
    for engine in ENGINES:
        backbone = open_backbone(tiny_bundle / "backbone.onnx", engine)
        assert (backbone.engine, backbone.precision) == (engine, "fp32")
        assert backbone.provider
        assert backbone.version[0].isdigit()
        features = backbone.features(crops)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, cells, rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_broken_network_is_refused_by_either(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "backbone.onnx").write_bytes(b"garbage")
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: .* refuses it") as caught:
        open_backbone(tmp_path / "backbone.onnx", engine)
    assert "\n" not in str(caught.value)


def test_what_is_there_may_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "find_device", lambda: None)  # as if there were a GPU
    for engine in ("auto", "onnxruntime"):
        for provider in ("auto", "cpu", "cuda", "tensorrt"):
            check_choice(engine, provider)
    check_choice("openvino", "cpu")


def test_what_is_not_there_is_refused_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_device() -> None:
        raise ProviderError("there is no NVIDIA driver here")

    monkeypatch.setattr(backbones, "find_device", find_device)
    for provider in ("cuda", "tensorrt"):
        with pytest.raises(ProviderError) as caught:
            check_choice("auto", provider)
        said = f"--provider {provider}: there is no NVIDIA driver here; take --provider cpu, or auto"
        assert str(caught.value) == said
    with pytest.raises(UsageError, match="--provider cuda: ONNX Runtime has it, OpenVINO doesn't"):
        check_choice("openvino", "cuda")
    monkeypatch.setattr("softcore_runtime.backends.engine.find_spec", lambda _: None)
    for engine, provider in (("openvino", "cpu"), ("auto", "auto"), ("onnxruntime", "cuda")):
        with pytest.raises(MissingLibraryError, match="is not installed; run: pip install"):
            check_choice(engine, provider)
