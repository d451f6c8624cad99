from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from softcore_runtime.backends import openvino as module
from softcore_runtime.backends.engine import Precision
from softcore_runtime.backends.openvino import OpenVinoBackbone, computes_in_bf16
from softcore_runtime.errors import BundleCorruptError

needs_bf16 = pytest.mark.skipif(not computes_in_bf16(), reason="needs a CPU with BF16")


def draw(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A network whose features are its pixels times a matrix, where a precision shows; and the matrix."""
    matrix = np.random.default_rng(0).normal(size=(96, 64)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["crops"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["float", "shape"], ["rows"]),
            helper.make_node("MatMul", ["rows", "matrix"], ["features"]),
        ],
        "products",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 32, 64])],
        [
            numpy_helper.from_array(matrix, "matrix"),
            helper.make_tensor("shape", TensorProto.INT64, [3], [0, 32, 96]),
        ],
    )
    path = tmp_path_factory.mktemp("products") / "backbone.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path, matrix


def multiply(crops: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(crops.reshape(len(crops), 32, 96).astype(float) @ matrix)


def test_features_are_the_means_of_cells(tiny_bundle: Path) -> None:
    crops = draw(0, 3)
    features = OpenVinoBackbone(tiny_bundle / "backbone.onnx").features(crops)
    assert features.dtype == np.float32
    expected = crops.astype(float).reshape(3, 8, 4, 8, 4, 3).mean((2, 4)).reshape(3, 64, 3)
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def test_a_crop_does_not_depend_on_its_batch_or_the_threads(products: tuple[Path, np.ndarray]) -> None:
    crops = draw(0, 4)
    several, one = (OpenVinoBackbone(products[0], threads=threads) for threads in (2, 1))
    alone = np.concatenate([one.features(crop[None]) for crop in crops])
    for batch in (4, 1, 3):  # compiled for each anew, and back to one that it has had
        together = several.features(crops[:batch])
        np.testing.assert_allclose(together, alone[:batch], rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(several.features(crops), multiply(crops, products[1]), rtol=1e-5, atol=1e-2)


def test_what_one_call_gave_is_not_overwritten_by_the_next(tiny_bundle: Path) -> None:
    """The engine answers in memory of its own, which the next frame of the same shape takes."""
    backbone = OpenVinoBackbone(tiny_bundle / "backbone.onnx")
    first = backbone.features(np.full((1, 32, 32, 3), 7, np.uint8))
    backbone.features(np.full((1, 32, 32, 3), 200, np.uint8))
    assert (first == 7).all()


def test_crops_may_lie_in_memory_as_they_like(tiny_bundle: Path) -> None:
    backbone, crops = OpenVinoBackbone(tiny_bundle / "backbone.onnx"), draw(0, 1)
    turned = np.ascontiguousarray(crops.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    frozen = crops.copy()
    frozen.flags.writeable = False
    before = backbone.features(crops)
    for same in (turned, frozen, np.repeat(crops, 2, axis=2)[:, :, ::2]):
        np.testing.assert_array_equal(backbone.features(same), before)
    np.testing.assert_array_equal(crops, draw(0, 1))


def test_what_was_opened_stays_though_its_file_is_replaced(tiny_bundle: Path, tmp_path: Path) -> None:
    """An export may put another network there; a batch of another size is still compiled of this one."""
    network = tmp_path / "backbone.onnx"
    network.write_bytes((tiny_bundle / "backbone.onnx").read_bytes())
    backbone, crops = OpenVinoBackbone(network), draw(0, 3)
    before = backbone.features(crops[:1])
    (tmp_path / "other").write_bytes(b"another network")
    (tmp_path / "other").replace(network)
    np.testing.assert_allclose(backbone.features(crops)[:1], before, rtol=1e-5)


@pytest.mark.parametrize("content", [b"", b"garbage" * 50, b"\x08\x08"])
def test_what_is_no_network_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backbone.onnx").write_bytes(content)
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: OpenVINO refuses it \(.+\)$") as caught:
        OpenVinoBackbone(tmp_path / "backbone.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleCorruptError, match="OpenVINO refuses it") as caught:
        OpenVinoBackbone(tmp_path / "backbone.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, 30, 32, 3), np.uint8),
        np.zeros((1, 32, 32, 1), np.uint8),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((1, 32, 32, 3), np.float32),
        np.zeros((1, 32, 32, 3), np.int8),
    ],
    ids=lambda crops: f"{crops.dtype} {crops.shape}",
)
def test_crops_that_do_not_fit_are_refused_in_one_line(tiny_bundle: Path, crops: np.ndarray) -> None:
    backbone = OpenVinoBackbone(tiny_bundle / "backbone.onnx")
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: OpenVINO can't run it \(.+\)$") as caught:
        backbone.features(crops)
    assert "\n" not in str(caught.value)
    assert (backbone.features(np.full((1, 32, 32, 3), 9, np.uint8)) == 9).all()  # it serves on


def test_what_computes_is_said(tiny_bundle: Path) -> None:
    backbone = OpenVinoBackbone(tiny_bundle / "backbone.onnx")
    assert (backbone.engine, backbone.provider, backbone.precision) == ("openvino", "cpu", "fp32")
    assert version("openvino").startswith(backbone.version)
    assert re.fullmatch(r"\d+\.\d+\.\d+", backbone.version)


@pytest.mark.parametrize(("wanted", "given"), [("bf16", "fp32"), ("fp32", "fp32"), ("int8", "int8")])
def test_where_a_cpu_has_no_bf16_it_is_fp32(
    products: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch, wanted: Precision, given: Precision
) -> None:
    """And says so: a bundle that was learned in BF16 must be able to remark on it."""
    monkeypatch.setattr(module, "computes_in_bf16", lambda: False)
    backbone, crops = OpenVinoBackbone(products[0], wanted), draw(0, 2)
    assert backbone.precision == given
    np.testing.assert_allclose(backbone.features(crops), multiply(crops, products[1]), rtol=1e-5, atol=1e-2)


@needs_bf16
def test_bf16_is_another_precision(products: tuple[Path, np.ndarray]) -> None:
    """Eight bits of mantissa: off by more than FP32 could be, and by no more than BF16 may."""
    path, matrix = products
    crops = draw(0, 2)
    backbone = OpenVinoBackbone(path, "bf16")
    assert backbone.precision == "bf16"
    expected = multiply(crops, matrix)
    off = np.abs(backbone.features(crops) - expected).max() / np.abs(expected).max()
    assert 1e-4 < off < 2.0**-7


def test_bf16_is_seen_where_linux_sees_it() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.exists() or not {"avx512_bf16", "amx_bf16"} & set(flags.read_text().split()):
        pytest.skip("Linux names no BF16 here")
    assert computes_in_bf16()


@pytest.mark.parametrize("first", ["", "import openvino_telemetry.main"])
def test_nothing_is_sent_and_nothing_is_kept_of_the_device(
    first: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    """OpenVINO tells Google Analytics of each import, unless a build server's environment forbids it."""
    code = f"""if True:
        import sys
        {first}
        from pathlib import Path
        from softcore_runtime.backends.openvino import OpenVinoBackbone
        OpenVinoBackbone(Path(sys.argv[1]))
        from openvino.tools.ovc import telemetry_utils
        print(telemetry_utils.tm.__name__, "openvino_telemetry.main" in sys.modules)
    """
    home = tmp_path / "home"
    home.mkdir()
    servers = ("CI", "TF_BUILD", "JENKINS_URL")
    environment = {name: value for name, value in os.environ.items() if name not in servers}
    ended = subprocess.run(
        [sys.executable, "-c", code, tiny_bundle / "backbone.onnx"],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    others = bool(first)  # who has imported it for something else keeps it
    assert ended.stdout == f"openvino.tools.ovc.telemetry_stub {others}\n", ended.stderr
    assert ended.stderr == ""
    assert list(home.iterdir()) == []
