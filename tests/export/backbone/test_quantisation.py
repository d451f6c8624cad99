from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torchvision
from onnx import ModelProto, TensorProto, numpy_helper
from softcore_export.backbone import quantisation
from softcore_export.backbone.backbone import PatchFeatures, load_backbone
from softcore_export.backbone.onnx_file import write_onnx
from softcore_export.backbone.quantisation import CLOSENESS_TOLERANCE, check_closeness, quantise, to_half
from softcore_runtime.backends.engine import Engine, Precision
from softcore_runtime.errors import ExportError
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

SIDE = 64


def draw(seed: int, count: int) -> np.ndarray:
    """Draw smooth crops, as images are: uint8 [count, SIDE, SIDE, 3]."""
    coarse = np.random.default_rng(seed).uniform(size=(count, 9, 9, 3))
    fine = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)[:, 4 : 4 + SIDE, 4 : 4 + SIDE]
    return (255 * fine).astype(np.uint8)


CROPS = draw(0, 16)
OTHERS = draw(1, 4)


class Opened:
    """An ONNX file, opened by nothing of ours."""

    engine: Engine = "onnxruntime"
    version = onnxruntime.__version__
    provider = "CPUExecutionProvider"
    precision: Precision = "int8"

    def __init__(self, path: Path, factor: float = 1) -> None:
        self.session = onnxruntime.InferenceSession(str(path), providers=[self.provider])
        self.factor = factor

    def features(self, crops: np.ndarray) -> np.ndarray:
        return self.factor * self.session.run(None, {"crops": crops})[0]


def make_resnet() -> nn.Module:
    """ResNet-18 as far as layer3, with weights and batch statistics by chance."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, 0, 0.2)
    return PatchFeatures(create_feature_extractor(model, ["layer2", "layer3"])).eval()


@pytest.fixture(scope="module", params=["filterbank", "resnet18"])
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network in FP32. Not to be changed."""
    path = tmp_path_factory.mktemp(request.param) / "plain.onnx"
    bank = request.param == "filterbank"
    write_onnx(load_backbone("filterbank", crop=SIDE).network if bank else make_resnet(), SIDE, path)
    return path


@pytest.fixture(scope="module")
def quantised(plain: Path) -> Path:
    """The same in INT8. Not to be changed."""
    target = plain.with_name("int8.onnx")
    quantise(plain, CROPS, target)
    assert sorted(path.name for path in plain.parent.iterdir()) == ["int8.onnx", "plain.onnx"]
    return target


@pytest.fixture(scope="module")
def half(plain: Path) -> Path:
    """The same in FP16. Not to be changed."""
    target = plain.with_name("fp16.onnx")
    to_half(plain, target)
    return target


def signature(path: Path) -> list[tuple[str, int, list[int | str]]]:
    graph = onnx.load(path).graph
    return [
        (
            value.name,
            value.type.tensor_type.elem_type,
            [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim],
        )
        for value in (*graph.input, *graph.output)
    ]


def constants(model: ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize(("kind", "tolerance"), [("quantised", 0.2), ("half", 0.02)])
def test_its_features_are_nearly_those_in_fp32_at_any_batch_size(
    kind: str, tolerance: float, plain: Path, request: pytest.FixtureRequest
) -> None:
    file = request.getfixturevalue(kind)
    expected, fast = Opened(plain).features(OTHERS), Opened(file)
    spread = np.linalg.norm(expected - expected.mean((0, 1)), axis=-1).mean()
    for batch in (1, 3, 4):
        features = fast.features(OTHERS[:batch])
        assert features.dtype == np.float32
        assert features.shape == expected[:batch].shape
        error = np.linalg.norm(features - expected[:batch], axis=-1).mean() / spread
        assert 0 < error < tolerance


@pytest.mark.parametrize("kind", ["quantised", "half"])
def test_it_is_a_checked_file_with_the_same_input_and_output(
    kind: str, plain: Path, request: pytest.FixtureRequest
) -> None:
    file = request.getfixturevalue(kind)
    onnx.checker.check_model(onnx.load(file), full_check=True)
    assert signature(file) == signature(plain)
    assert isinstance(signature(file)[0][2][0], str)  # the batch is open
    domains = {opset.domain: opset.version for opset in onnx.load(file).opset_import}
    assert domains == {opset.domain: opset.version for opset in onnx.load(plain).opset_import}
    assert file.stat().st_size < plain.stat().st_size or "filterbank" in plain.parent.name


def test_every_convolution_is_int8_by_channel(quantised: Path) -> None:
    model = onnx.load(quantised)
    makers = {name: node for node in model.graph.node for name in node.output}
    values = constants(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        activation, weight = (makers[name] for name in node.input[:2])
        assert activation.op_type == weight.op_type == "DequantizeLinear"
        assert values[activation.input[2]].dtype == np.uint8
        integers, scales = (values[name] for name in weight.input[:2])
        assert integers.dtype == np.int8
        assert scales.shape == (len(integers),)
        # All of 7 bits, and no more: 2 * 255 * 64 is the most that 16 bits hold.
        largest = np.abs(integers.astype(int)).reshape(len(integers), -1).max(1)
        assert ((largest >= 60) & (largest <= 64)).all()


def test_no_sum_saturates_on_any_cpu(quantised: Path) -> None:
    """Without optimisation ONNX Runtime computes the same graph in floats, which can't."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    exact, fast = Opened(quantised), Opened(quantised)
    exact.session = onnxruntime.InferenceSession(str(quantised), options, providers=[exact.provider])
    assert check_closeness(fast, exact, OTHERS) < 0.05


def test_a_filter_is_rounded_by_less_than_its_own_step(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 3, 3) * torch.tensor([1e-3, 1.0, 30.0, 1e3]).view(-1, 1, 1, 1)
    network = nn.Conv2d(3, 4, 3)
    network.weight.data = weight

    class Maps(nn.Module):
        def forward(self, rgb: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"only": network(rgb)}

    write_onnx(PatchFeatures(Maps()).eval(), SIDE, tmp_path / "plain.onnx")
    quantise(tmp_path / "plain.onnx", CROPS, tmp_path / "int8.onnx")
    model = onnx.load(tmp_path / "int8.onnx")
    (convolution,) = (node for node in model.graph.node if node.op_type == "Conv")
    (maker,) = (node for node in model.graph.node if convolution.input[1] in node.output)
    values = constants(model)
    integers, scales = (values[name] for name in maker.input[:2])
    restored = integers * scales[:, None, None, None]
    # The weights took over the order and the deviations of the colours.
    wanted = weight.flip(1).numpy() / (255 * np.array([0.225, 0.224, 0.229])[None, :, None, None])
    assert (np.abs(restored - wanted) <= 0.51 * np.abs(wanted).max((1, 2, 3), keepdims=True) / 63).all()


def test_the_colours_cost_a_subtraction_where_a_convolution_comes_first(quantised: Path) -> None:
    steps = [node.op_type for node in onnx.load(quantised).graph.node if node.op_type != "DequantizeLinear"]
    assert steps[:5] == ["Transpose", "Cast", "Sub", "QuantizeLinear", "Conv"]


class Sums(nn.Module):
    """A network whose input goes two ways."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, rgb: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"only": rgb + self.convolution(rgb)}


def test_colours_that_go_two_ways_are_left_as_they_are(tmp_path: Path) -> None:
    write_onnx(PatchFeatures(Sums()).eval(), SIDE, tmp_path / "plain.onnx")
    quantise(tmp_path / "plain.onnx", CROPS, tmp_path / "int8.onnx")
    kinds = {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}
    assert {"Slice", "Sub", "Div"} <= kinds
    assert check_closeness(Opened(tmp_path / "int8.onnx"), Opened(tmp_path / "plain.onnx"), OTHERS) < 0.1


def test_closeness_is_the_error_over_the_spread(quantised: Path, plain: Path) -> None:
    expected, actual = (Opened(path).features(OTHERS).astype(float) for path in (plain, quantised))
    spread = np.sqrt(expected.reshape(-1, expected.shape[2]).var(0).sum())
    error = np.sqrt(((actual - expected) ** 2).sum(2).mean())
    share = check_closeness(Opened(quantised), Opened(plain), OTHERS)
    assert share == pytest.approx(error / spread, rel=1e-4)
    assert 0 < share < CLOSENESS_TOLERANCE


@pytest.mark.parametrize("factor", [2, np.nan])
def test_features_that_are_far_off_are_an_export_error(factor: float, quantised: Path, plain: Path) -> None:
    with pytest.raises(ExportError, match=r"onnxruntime's features in int8 are .* of their spread away"):
        check_closeness(Opened(quantised, factor), Opened(plain), OTHERS)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target.onnx"


def test_without_a_crop_there_is_no_range(plain: Path, target: Path) -> None:
    with pytest.raises(ExportError, match=r"can't be written in INT8 \(.*[Nn]o data"):
        quantise(plain, [], target)
    assert not list(target.parent.iterdir())


def test_a_network_without_convolutions_is_an_export_error(target: Path, tmp_path: Path) -> None:
    plain = tmp_path / "in" / "plain.onnx"
    plain.parent.mkdir()

    class Maps(nn.Module):
        def forward(self, rgb: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"only": rgb}

    write_onnx(PatchFeatures(Maps()).eval(), SIDE, plain)
    with pytest.raises(ExportError, match=r"can't be written in INT8 \(it has no convolution\)"):
        quantise(plain, CROPS, target)
    assert not target.exists()


@pytest.mark.parametrize("precision", ["INT8", "FP16"])
def test_a_damaged_graph_is_an_export_error(
    precision: str, plain: Path, target: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(plain)
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.input[1] = "nowhere"
    damaged = tmp_path / "in" / "damaged.onnx"
    damaged.parent.mkdir()
    damaged.write_bytes(model.SerializeToString())
    with pytest.raises(ExportError, match=f"can't be written in {precision}"):
        quantise(damaged, CROPS, target) if precision == "INT8" else to_half(damaged, target)
    assert not target.exists()
    capfd.readouterr()


def test_an_interrupted_quantisation_leaves_what_was_there(plain: Path, target: Path) -> None:
    target.write_bytes(b"earlier")

    def interrupted() -> Iterator[np.ndarray]:
        yield CROPS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantise(plain, interrupted(), target)
    assert [path.name for path in target.parent.iterdir()] == ["target.onnx"]
    assert target.read_bytes() == b"earlier"


def test_a_full_disk_is_no_fault_of_the_graph(
    plain: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quantisation.onnx, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        to_half(plain, target)
    assert not list(target.parent.iterdir())


def test_half_holds_no_float_but_at_its_end(half: Path) -> None:
    model = onnx.load(half)
    weights = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]
    assert weights
    assert {tensor.data_type for tensor in weights} <= {TensorProto.FLOAT16}


def test_for_tensorrt_everything_is_symmetric_and_weights_and_biases_stay_in_fp32(
    plain: Path, target: Path
) -> None:
    """TensorRT refuses zero points, and unsigned activations; it quantises weights itself."""
    quantise(plain, CROPS, target, symmetric=True)
    graph = onnx.load(target).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        zero = constants[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()
        assert node.input[0] not in constants or constants[node.input[0]].dtype == np.float32
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    makers = {name: node for node in graph.node for name in node.output}
    assert convolutions
    for node in convolutions:
        assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
        assert all(constants[name].dtype == np.float32 for name in node.input[2:])
    expected, actual = Opened(plain).features(OTHERS), Opened(target).features(OTHERS)
    spread = np.sqrt(np.square(expected - expected.mean((0, 1))).sum(-1).mean())
    assert np.sqrt(np.square(actual - expected).sum(-1).mean()) < 0.3 * spread
