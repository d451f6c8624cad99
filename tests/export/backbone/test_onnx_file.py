from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from softcore_export.backbone.backbone import PatchFeatures, load_backbone
from softcore_export.backbone.onnx_file import (
    MOST_IR,
    MOST_OPSET,
    OPSET,
    PARITY_TOLERANCE,
    check_parity,
    demand_readable,
    write_onnx,
)
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.errors import ExportError
from torch import nn

CROPS = np.random.default_rng(0).integers(256, size=(5, 64, 64, 3), dtype=np.uint8)


class Halves(nn.Module):
    """Maps whose sides don't divide: 21 x 21 and 9 x 9."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, stride=3)
        self.second = nn.Conv2d(4, 6, 5, stride=2)

    def forward(self, rgb: torch.Tensor) -> dict[str, torch.Tensor]:
        fine = self.first(rgb)
        return {"fine": fine, "coarse": self.second(fine)}


@pytest.fixture(scope="module", params=["filterbank", "halves"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    if request.param == "filterbank":
        return load_backbone("filterbank", crop=64).network
    return PatchFeatures(Halves()).eval()


@pytest.fixture(scope="module")
def file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "backbone.onnx"
    write_onnx(network, 64, path)
    return path


def test_it_computes_what_torch_does_at_any_batch_size(network: nn.Module, file: Path) -> None:
    with torch.no_grad():
        expected = network(torch.from_numpy(CROPS)).numpy()
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for batch in (1, 2, 3, 5):
        (features,) = session.run(None, {"crops": CROPS[:batch]})
        assert features.dtype == np.float32
        assert features.shape == expected[:batch].shape
        np.testing.assert_allclose(features, expected[:batch], atol=1e-4 * np.abs(expected).max())


def test_it_is_one_checked_file(file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == ["backbone.onnx"]  # no external data
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain: opset.version for opset in model.opset_import}[""] == OPSET
    (crops,) = model.graph.input
    assert crops.name == "crops"
    assert crops.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, *sides = crops.type.tensor_type.shape.dim
    assert batch.dim_param
    assert [side.dim_value for side in sides] == [64, 64, 3]
    assert [output.name for output in model.graph.output] == ["features"]


def test_what_the_checker_refuses_is_an_export_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Path
) -> None:
    model = onnx.load(file)
    model.graph.node[0].op_type = "NoSuchOperator"

    def write(_network: nn.Module, _example: object, path: Path, **_options: object) -> None:
        path.write_bytes(model.SerializeToString())

    monkeypatch.setattr(torch.onnx, "export", write)
    with pytest.raises(ExportError, match=r"backbone\.onnx: the ONNX checker refuses it"):
        write_onnx(nn.Identity(), 64, tmp_path / "backbone.onnx")


def test_the_record_of_parity(network: nn.Module, file: Path) -> None:
    parity = check_parity(network, OnnxBackbone(file), CROPS)
    with torch.no_grad():
        expected = network(torch.from_numpy(CROPS)).numpy()
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    actual = np.concatenate([session.run(None, {"crops": crop[None]})[0] for crop in CROPS])
    assert parity.frames == 5
    assert parity.max_abs == pytest.approx(np.abs(actual - expected).max(), rel=0.5)
    assert parity.max_relative == pytest.approx(parity.max_abs / np.abs(expected).max(), rel=1e-6)
    assert parity.max_relative < 1e-5 < PARITY_TOLERANCE


@pytest.mark.parametrize(("factor", "passes"), [(1.0009, True), (1.0011, False), (1.5, False)])
def test_a_network_that_differs_is_an_export_error(
    network: nn.Module, file: Path, factor: float, passes: bool
) -> None:
    class Differs(nn.Module):
        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            return factor * network(crops)

    if passes:
        relative = check_parity(Differs(), OnnxBackbone(file), CROPS).max_relative
        assert relative == pytest.approx(0.0009, rel=0.02)
    else:
        with pytest.raises(
            ExportError, match=r"onnxruntime's features differ from torch's by .*; try another --engine"
        ):
            check_parity(Differs(), OnnxBackbone(file), CROPS)


def test_nan_is_no_parity_and_is_blamed_on_whose_it_is(network: nn.Module, file: Path) -> None:
    class Broken(nn.Module):
        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            features = network(crops).clone()
            features[0, 0, 0] = torch.nan
            return features

    class BrokenBackbone(OnnxBackbone):
        def features(self, *given: object) -> np.ndarray:
            return np.full_like(super().features(*given), np.nan)

    with pytest.raises(ExportError, match="features hold NaN or infinity, in torch, too: its weights"):
        check_parity(Broken(), OnnxBackbone(file), CROPS)
    with pytest.raises(ExportError, match="onnxruntime's features differ from torch's by nan"):
        check_parity(network, BrokenBackbone(file), CROPS)


def test_an_older_onnx_runtime_reads_it(file: Path, tmp_path: Path) -> None:
    """That of JetPack 6 is 1.18 to 1.20; its readers refuse what is newer than they are."""
    model = onnx.load(file)
    assert model.ir_version <= MOST_IR
    assert {(one.domain, one.version) for one in model.opset_import} == {("", OPSET)}
    demand_readable(file)
    for change, said in (
        ({"ir_version": MOST_IR + 1}, f"new.onnx: IR {MOST_IR + 1} with operators of ai.onnx {OPSET}, and"),
        (
            {"opset": MOST_OPSET + 1},
            f"new.onnx: IR {model.ir_version} with operators of ai.onnx 22, and ONNX",
        ),
        (
            {"domain": "com.microsoft"},
            f"with operators of ai.onnx {OPSET}, com.microsoft 1, and ONNX Runtime",
        ),
    ):
        new = onnx.load(file)
        new.ir_version = change.get("ir_version", new.ir_version)
        new.opset_import[0].version = change.get("opset", OPSET)
        if "domain" in change:
            new.opset_import.append(onnx.helper.make_opsetid(change["domain"], 1))
        onnx.save(new, tmp_path / "new.onnx")
        with pytest.raises(ExportError) as caught:
            demand_readable(tmp_path / "new.onnx")
        assert said in str(caught.value)
