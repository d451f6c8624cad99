"""Quantisation: converts a network to INT8 for CPUs, or to FP16 for GPUs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.errors import ExportError

__all__ = ["CLOSENESS_TOLERANCE", "check_closeness", "quantise", "to_half"]

CLOSENESS_TOLERANCE = 0.3  # of the features' spread; INT8 reaches 0.05 to 0.2 without a fault

# Convolutions take nearly all the time; the others lie between two of them. Additions of residuals aren't
# listed: both engines compute them in INT8 between two quantised tensors, and the last one stays exact. In
# the operators after that (averages, resampling, joining) rounding would cost more than it saves.
_QUANTISED = ("Conv", "Relu", "Clip", "MaxPool")
_FOR_TENSORRT = {
    "ActivationSymmetric": True, "WeightSymmetric": True, "AddQDQPairToWeight": True, "QuantizeBias": False,
}  # fmt: skip


def quantise(
    network: Path, crops: Iterable[NDArray[np.uint8]], target: Path, *, symmetric: bool = False
) -> None:
    """Write `network` in INT8: signed weights with a scale per output channel, unsigned activations.

    The graph keeps its input, its output and its open batch size. QuantizeLinear and DequantizeLinear mark
    its INT8 parts, from which ONNX Runtime and OpenVINO both make integer kernels. Weights have 7 bits: an
    x86 CPU without VNNI adds two products in 16 bits, which 8 bits would saturate, and a bundle has to
    compute the same features on a line computer of any age.

    Args:
        network: FP32, as `write_onnx` writes it: uint8 BGR crops `[B, crop, crop, 3]` in, features float32
            `[B, P, d]` out.
        crops: about two dozen training crops uint8 BGR `[crop, crop, 3]`, on which the range of each
            activation is measured.
        target: the file to write, atomically.
        symmetric: for TensorRT: activations signed about zero, biases and weights left in FP32 (it quantises
            weights itself, by the scales beside them).

    Raises:
        ExportError: there are no crops or no convolution, or the graph can't be quantised.
    """
    with _writing(network, target, "INT8") as (model, place):
        if not any(node.op_type == "Conv" for node in model.graph.node):
            raise ValueError("it has no convolution")
        _simplify_input(model)
        plain, prepared, quantised = place / "plain.onnx", place / "prepared.onnx", place / "quantised.onnx"
        onnx.save(model, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)  # folds remaining batch normalisation
        quantize_static(
            prepared,
            quantised,
            _Calibration(model.graph.input[0].name, crops),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            per_channel=True,
            # OpenVINO computes wrong results with symmetric activations.
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=not symmetric,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=_FOR_TENSORRT if symmetric else None,
        )
        model.CopyFrom(onnx.load(quantised))
        _drop_unused(model)


def to_half(network: Path, target: Path) -> None:
    """Write `network` in FP16, for GPUs; crops stay uint8 and features float32.

    Args:
        network: FP32, as `write_onnx` writes it.
        target: the file to write, atomically.

    Raises:
        ExportError: the graph can't be converted.
    """
    with _writing(network, target, "FP16") as (model, _):
        model.CopyFrom(convert_float_to_float16(model, keep_io_types=True))


def check_closeness(fast: Backbone, plain: Backbone, crops: NDArray[np.uint8]) -> float:
    """Compare the features of a quantised network, computed by the line's engine, with those in FP32.

    Engines have faults of their own: OpenVINO 2026.4 sums signed INT8 wrongly in blocks as MobileNet's.

    Args:
        fast: the quantised network.
        plain: the same network in FP32.
        crops: uint8 BGR `[B, crop, crop, 3]`.

    Returns:
        The root mean square of the difference, as a share of that of the features about their mean.

    Raises:
        ExportError: it is more than `CLOSENESS_TOLERANCE`.
    """
    expected, actual = (
        np.concatenate([backbone.features(crop[None]) for crop in crops]) for backbone in (plain, fast)
    )
    spread = float(np.sqrt(np.square(expected - expected.mean((0, 1))).sum(-1).mean()))
    error = float(np.sqrt(np.square(actual - expected).sum(-1).mean()))
    share = error / spread if spread > 0 else error
    if not share <= CLOSENESS_TOLERANCE:  # NaN fails too
        raise ExportError(
            f"{fast.engine}'s features in {fast.precision} are {share:.2g} of their spread away from those "
            f"in fp32 (at most {CLOSENESS_TOLERANCE:g}); try another --engine or --precision"
        )
    return share


class _Calibration:
    """Supplies crops to ONNX Runtime one at a time."""

    def __init__(self, name: str, crops: Iterable[NDArray[np.uint8]]) -> None:
        self._name = name
        self._crops = iter(crops)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        crop = next(self._crops, None)
        return None if crop is None else {self._name: crop[None]}


@contextmanager
def _writing(network: Path, target: Path, precision: str) -> Iterator[tuple[ModelProto, Path]]:
    """Open `network` to be changed, with a folder for drafts; write it to `target` at the block's end."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        place = Path(folder)
        try:
            model = onnx.load(network)
            yield model, place
            onnx.checker.check_model(model, full_check=True)
        except OSError:  # such as a full disk, which is no fault of the graph
            raise
        except Exception as error:  # the exceptions of ONNX and ONNX Runtime have no other common base
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ExportError(f"this network can't be written in {precision} ({reason})") from error
        onnx.save(model, place / target.name)
        (place / target.name).replace(target)


def _simplify_input(model: ModelProto) -> None:
    """Fold the order and the scale of the colours into the first convolution.

    Its input is then pixels minus their mean. The results are the same up to rounding. With channels last, as
    in INT8, ONNX Runtime is slow at these small steps: they took a tenth of the network's time. Graphs that
    begin otherwise stay unchanged.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    chain = _follow(model, ["Transpose", "Slice", "Cast", "Sub", "Div", "Conv"])
    if not chain:
        return
    transpose, flip, cast, centre, scale, convolution = chain
    needed = [*flip.input[1:], centre.input[1], scale.input[1], convolution.input[1]]
    if not all(name in constants for name in needed):
        return
    *cut, mean, deviation, weight = (numpy_helper.to_array(constants[name]) for name in needed)
    colours = (1, 3, 1, 1)
    shapes = (mean.shape, deviation.shape, weight.shape[1:2])
    if shapes != (colours, colours, (3,)) or [int(part.item()) for part in cut[2:]] != [1, -1]:
        return
    cast.input[0] = transpose.output[0]
    convolution.input[0] = centre.output[0]
    centre.input[1] = _add_constant(model, "mean_bgr", mean[:, ::-1])
    convolution.input[1] = _add_constant(model, f"{convolution.input[1]}_bgr", (weight / deviation)[:, ::-1])
    graph.node.remove(flip)
    graph.node.remove(scale)
    del graph.value_info[:]  # inferred again by the next step
    _drop_unused(model)


def _follow(model: ModelProto, kinds: list[str]) -> list[NodeProto]:
    """Follow the input through nodes of these kinds, each the only consumer of the one before; else []."""
    name, chain = model.graph.input[0].name, []
    for kind in kinds:
        takers = [node for node in model.graph.node if name in node.input]
        if len(takers) != 1 or takers[0].op_type != kind or takers[0].input[0] != name:
            return []
        chain.append(takers[0])
        name = takers[0].output[0]
    return chain


def _drop_unused(model: ModelProto) -> None:
    """Drop constants and operator sets that no node uses, of which ONNX Runtime would warn."""
    nodes = model.graph.node
    constants, sets = list(model.graph.initializer), list(model.opset_import)
    names, domains = {name for node in nodes for name in node.input}, {node.domain for node in nodes}
    del model.graph.initializer[:], model.opset_import[:]
    model.graph.initializer.extend(constant for constant in constants if constant.name in names)
    model.opset_import.extend(one for one in sets if one.domain in domains)


def _add_constant(model: ModelProto, name: str, value: NDArray[np.float32]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return name
