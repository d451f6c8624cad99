from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from softcore_runtime import Inspector
from softcore_runtime.backends.engine import ENGINES, Engine
from softcore_runtime.bundle.manifest import Grid
from softcore_runtime.errors import (
    BundleCorruptError,
    FrameError,
)

from .bundles import draw_frames, reseal, write_network


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


def test_a_batch_that_grows_and_shrinks_decides_the_same(tiny_bundle: Path) -> None:
    frames = draw_frames(9, seed=9)
    inspector = Inspector.load(tiny_bundle)
    expected = [inspector.inspect(frame).score for frame in frames]
    for size in (1, 3, 2, 9, 1):
        assert [one.score for one in inspector.inspect_batch(frames[:size])] == expected[:size]
