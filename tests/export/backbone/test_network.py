from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from softcore_export.backbone import onnx_file
from softcore_export.backbone.backbone import LoadedBackbone, PatchFeatures, load_backbone
from softcore_export.backbone.network import Network, open_network
from softcore_export.settings import ExportSettings
from softcore_runtime import Preprocessing
from softcore_runtime.backends.openvino import computes_in_bf16
from softcore_runtime.errors import ExportError, MissingLibraryError, UsageError
from torch import nn

CROPS = np.random.default_rng(0).integers(256, size=(6, 64, 64, 3), dtype=np.uint8)
DIM = 203  # of the filter bank
needs_bf16 = pytest.mark.skipif(not computes_in_bf16(), reason="needs a CPU with BF16")


def settings(**changes: object) -> ExportSettings:
    wanted = {"backbone": "filterbank", "preprocessing": Preprocessing(resize=72, crop=64), **changes}
    return ExportSettings.model_validate({"engine": "onnxruntime", "precision": "fp32", **wanted})


def run_torch(network: nn.Module, crops: np.ndarray = CROPS) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(crops)))


@pytest.fixture(scope="module")
def loaded() -> LoadedBackbone:
    return load_backbone("filterbank", crop=64)


@pytest.fixture(scope="module")
def reduced(loaded: LoadedBackbone, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """The network in 16 dimensions; nothing in it is spared."""
    return open_network(loaded, settings(dimensions=16), CROPS, tmp_path_factory.mktemp("reduced"))


@pytest.fixture
def quick(reduced: Network, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Spare the seconds of the ONNX exporter: take what it wrote for `reduced`. Names the files written."""
    written = []

    def write_onnx(network: nn.Module, _crop: int, path: Path) -> None:
        name = "plain.onnx" if isinstance(network, PatchFeatures) else "backbone.onnx"
        path.write_bytes((reduced.file.parent / name).read_bytes())
        written.append(path.name)

    monkeypatch.setattr("softcore_export.backbone.network.write_onnx", write_onnx)
    return written


def test_fewer_dimensions_are_a_projection_inside_the_network(reduced: Network) -> None:
    assert reduced.plain is not None
    plain, few = (
        np.concatenate([backbone.features(crop[None])[0] for crop in CROPS]).astype(float)
        for backbone in (reduced.plain, reduced.backbone)
    )
    assert (plain.shape, few.shape) == ((6 * 64, DIM), (6 * 64, 16))
    (axes,) = (
        numpy_helper.to_array(stored).astype(float)
        for stored in onnx.load(reduced.file).graph.initializer
        if tuple(stored.dims) == (DIM, 16)
    )
    np.testing.assert_allclose(axes.T @ axes, np.eye(16), atol=1e-5)
    np.testing.assert_allclose(few, plain @ axes, atol=1e-5 * np.abs(few).max())
    lengths = np.linalg.norm(plain[:200] - plain[-200:], axis=1)
    assert (np.linalg.norm(few[:200] - few[-200:], axis=1) <= lengths * (1 + 1e-5)).all()


def test_the_file_that_ships_is_the_one_that_is_open(reduced: Network) -> None:
    assert reduced.file.name == "backbone.onnx"
    session = onnxruntime.InferenceSession(str(reduced.file), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"crops": CROPS[:1]})
    np.testing.assert_allclose(reduced.backbone.features(CROPS[:1]), expected, rtol=1e-5, atol=1e-5)
    assert reduced.parity.frames == 4
    assert reduced.parity.max_relative < 1e-5


def test_in_fp32_with_all_dimensions_there_is_nothing_to_compare_with(
    loaded: LoadedBackbone, quick: list[str], tmp_path: Path
) -> None:
    network = open_network(loaded, settings(), CROPS, tmp_path)
    assert network.plain is None
    assert quick == ["plain.onnx"]  # written once, copied
    assert (network.backbone.engine, network.backbone.precision) == ("onnxruntime", "fp32")
    expected = run_torch(loaded.network)
    actual = np.concatenate([network.backbone.features(crop[None]) for crop in CROPS])
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    off = np.abs(actual - expected)[:4].max()
    assert network.parity.max_abs == pytest.approx(off, rel=0.5)
    assert network.parity.frames == 4


@pytest.mark.usefixtures("quick")
def test_parity_makes_do_with_fewer_frames(loaded: LoadedBackbone, tmp_path: Path) -> None:
    assert open_network(loaded, settings(), CROPS[:1], tmp_path).parity.frames == 1


@needs_bf16
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_bf16_stands_beside_the_plain_network(loaded: LoadedBackbone, tmp_path: Path, precision: str) -> None:
    network = open_network(loaded, settings(engine="openvino", precision=precision), CROPS, tmp_path)
    assert network.plain is not None
    assert (network.plain.engine, network.plain.precision) == ("openvino", "fp32")
    assert (network.backbone.engine, network.backbone.precision) == ("openvino", "bf16")
    expected = run_torch(loaded.network)
    largest = np.abs(expected).max()
    assert np.abs(network.plain.features(CROPS) - expected).max() < 1e-4 * largest
    assert 1e-4 * largest < np.abs(network.backbone.features(CROPS) - expected).max() < 0.02 * largest
    assert network.parity.max_relative < 1e-5  # of the plain one: BF16 would be no test of the file


@needs_bf16
@pytest.mark.usefixtures("quick")
def test_bf16_in_fewer_dimensions(loaded: LoadedBackbone, reduced: Network, tmp_path: Path) -> None:
    wanted = settings(engine="openvino", precision="bf16", dimensions=16)
    network = open_network(loaded, wanted, CROPS, tmp_path)
    assert network.plain is not None
    assert network.plain.features(CROPS[:1]).shape == (1, 64, DIM)
    assert network.backbone.precision == "bf16"
    expected = reduced.backbone.features(CROPS)
    off = np.abs(network.backbone.features(CROPS) - expected).max() / np.abs(expected).max()
    assert 1e-4 < off < 0.02
    assert network.parity.max_relative < 1e-5


@pytest.mark.usefixtures("quick")
def test_another_seed_projects_otherwise(
    loaded: LoadedBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def reduce(_network: nn.Module, axes: torch.Tensor) -> nn.Module:
        asked.append(axes.numpy())
        raise KeyboardInterrupt

    monkeypatch.setattr("softcore_export.backbone.network.reduce_dimensions", reduce)
    for seed in (0, 0, 1):
        with pytest.raises(KeyboardInterrupt):
            open_network(loaded, settings(dimensions=16, seed=seed), CROPS, tmp_path)
    np.testing.assert_array_equal(asked[0], asked[1])
    assert np.abs(asked[0] - asked[2]).max() > 0.1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_auto_is_fp32_where_there_is_no_bf16(
    loaded: LoadedBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr("softcore_runtime.backends.openvino.computes_in_bf16", lambda: False)
    network = open_network(loaded, settings(engine=engine, precision="auto"), CROPS, tmp_path)
    assert (network.backbone.engine, network.backbone.precision) == (engine, "fp32")
    assert network.plain is None


@pytest.mark.usefixtures("quick")
def test_a_projection_that_went_wrong_is_refused(loaded: LoadedBackbone, tmp_path: Path) -> None:
    """The file projects as for another seed: nothing but a comparison with torch can tell."""
    with pytest.raises(ExportError, match="onnxruntime's features differ from torch's"):
        open_network(loaded, settings(dimensions=16, seed=1), CROPS, tmp_path)


def no_bf16(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("softcore_runtime.backends.openvino.computes_in_bf16", lambda: False)


def no_openvino(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "openvino", None)


def no_patience(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(onnx_file, "PARITY_TOLERANCE", -1.0)


@pytest.mark.parametrize(
    ("changes", "spoil", "error", "said"),
    [
        ({"precision": "bf16"}, None, UsageError, "--precision bf16: takes OpenVINO and a CPU that has it"),
        (
            {"precision": "bf16", "engine": "openvino"},
            no_bf16,
            UsageError,
            "--precision bf16: takes OpenVINO",
        ),
        (
            {"precision": "bf16", "engine": "auto"},
            no_openvino,
            UsageError,
            "--precision bf16: takes OpenVINO",
        ),
        ({"engine": "openvino"}, no_openvino, MissingLibraryError, r"pip install 'softcore\[openvino\]'"),
        ({"dimensions": DIM}, None, UsageError, "--dimensions 203: the network gives only 203"),
        ({"dimensions": 1000}, None, UsageError, "--dimensions 1000: the network gives only 203"),
        ({}, no_patience, ExportError, "onnxruntime's features differ from torch's by .*another --engine"),
        ({"engine": "openvino"}, no_patience, ExportError, "openvino's features differ from torch's by"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_cannot_be_had_is_refused(
    loaded: LoadedBackbone,
    quick: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    spoil: Callable[[pytest.MonkeyPatch], None] | None,
    error: type[Exception],
    said: str,
) -> None:
    if spoil:
        spoil(monkeypatch)
    with pytest.raises(error, match=said) as caught:
        open_network(loaded, settings(**changes), CROPS, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "backbone.onnx").exists()
    if "bf16" in said or error is MissingLibraryError:
        assert quick == []  # said before the seconds that the file takes
