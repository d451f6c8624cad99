from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from softcore_runtime import ort
from softcore_runtime.engine import Precision
from softcore_runtime.errors import BundleCorruptError


def test_features_are_the_means_of_cells(tiny_bundle: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    features = ort.OnnxBackbone(tiny_bundle / "backbone.onnx").features(crops)
    assert features.dtype == np.float32
    expected = crops.astype(float).reshape(3, 8, 4, 8, 4, 3).mean((2, 4)).reshape(3, 64, 3)
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def test_a_crop_does_not_depend_on_its_batch_or_the_threads(tiny_bundle: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    together = ort.OnnxBackbone(tiny_bundle / "backbone.onnx", threads=2).features(crops)
    alone = ort.OnnxBackbone(tiny_bundle / "backbone.onnx", threads=1)
    np.testing.assert_allclose(
        together, np.concatenate([alone.features(crop[None]) for crop in crops]), rtol=1e-6
    )


@pytest.mark.parametrize("content", [b"", b"garbage" * 50, b"\x08\x08"])
def test_what_is_no_network_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backbone.onnx").write_bytes(content)
    with pytest.raises(BundleCorruptError, match="ONNX Runtime refuses it") as caught:
        ort.OnnxBackbone(tmp_path / "backbone.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleCorruptError, match="ONNX Runtime refuses it"):
        ort.OnnxBackbone(tmp_path / "backbone.onnx")


@pytest.mark.parametrize("crops", [np.zeros((1, 30, 32, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32)])
def test_crops_that_do_not_fit_are_refused_in_one_line(tiny_bundle: Path, crops: np.ndarray) -> None:
    backbone = ort.OnnxBackbone(tiny_bundle / "backbone.onnx")
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: ONNX Runtime can't run it") as caught:
        backbone.features(crops)
    assert "\n" not in str(caught.value)


def test_what_one_call_gave_is_not_overwritten_by_the_next(tiny_bundle: Path) -> None:
    backbone = ort.OnnxBackbone(tiny_bundle / "backbone.onnx")
    first = backbone.features(np.full((1, 32, 32, 3), 7, np.uint8))
    backbone.features(np.full((1, 32, 32, 3), 200, np.uint8))
    assert (first == 7).all()


def test_what_computes_is_said(tiny_bundle: Path) -> None:
    backbone = ort.OnnxBackbone(tiny_bundle / "backbone.onnx")
    assert (backbone.engine, backbone.version) == ("onnxruntime", onnxruntime.__version__)
    assert (backbone.provider, backbone.device, backbone.engines) == ("cpu", None, None)


@pytest.mark.parametrize(("wanted", "given"), [("fp32", "fp32"), ("bf16", "fp32"), ("int8", "int8")])
def test_what_it_computes_in_is_said(tiny_bundle: Path, wanted: Precision, given: Precision) -> None:
    """INT8 is the graph's own; BF16 isn't to be had here, and nobody may believe that it was."""
    assert ort.OnnxBackbone(tiny_bundle / "backbone.onnx", wanted).precision == given
