from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from scipy.spatial.distance import cdist
from softcore_runtime.backends import ort
from softcore_runtime.backends.backbones import open_backbone
from softcore_runtime.backends.engine import Backbone, Precision, Provider
from softcore_runtime.bundle.bundle import read_bundle
from softcore_runtime.errors import BundleCorruptError, ProviderError, UsageError
from softcore_runtime.search.search import Search


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
    assert (backbone.provider, backbone.device, backbone.engine_folder) == ("cpu", None, None)


@pytest.mark.parametrize(("wanted", "given"), [("fp32", "fp32"), ("bf16", "fp32"), ("int8", "int8")])
def test_what_it_computes_in_is_said(tiny_bundle: Path, wanted: Precision, given: Precision) -> None:
    """INT8 is the graph's own; BF16 isn't to be had here, and nobody may believe that it was."""
    assert ort.OnnxBackbone(tiny_bundle / "backbone.onnx", wanted).precision == given


def test_the_graph_of_the_search_is_what_it_says() -> None:
    """`nearest.onnx` is shipped as bytes, for the runtime has no library to write it: this is its text."""
    lengths = helper.make_node(
        "Gemm", ["queries", "bank", "halves"], ["lengths"], alpha=-1.0, beta=1.0, transB=1
    )
    shapes = {"queries": ["q", "d"], "bank": ["n", "d"], "halves": ["n"]}
    graph = helper.make_graph(
        [lengths, helper.make_node("ArgMin", ["lengths"], ["entries"], axis=1, keepdims=0)],
        "nearest",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("entries", TensorProto.INT64, ["q"])],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="softcore"
    )
    assert onnx.load(ort._NEAREST) == model


def test_the_graph_of_the_search_with_floors_is_what_it_says() -> None:
    """The greater of ||m||^2 / 2 - p.m and F(m)^2 / 2 - ||p||^2 / 2; `floors` are the F(m)^2 / 2."""
    nodes = [
        helper.make_node("Gemm", ["queries", "bank", "halves"], ["lengths"], alpha=-1.0, beta=1.0, transB=1),
        helper.make_node("ReduceSumSquare", ["queries"], ["squares"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["squares", "half"], ["own"]),
        helper.make_node("Sub", ["floors", "own"], ["least"]),
        helper.make_node("Max", ["lengths", "least"], ["distances"]),
        helper.make_node("ArgMin", ["distances"], ["entries"], axis=1, keepdims=0),
    ]
    shapes = {"queries": ["q", "d"], "bank": ["n", "d"], "halves": ["n"], "floors": ["n"]}
    graph = helper.make_graph(
        nodes,
        "nearest",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("entries", TensorProto.INT64, ["q"])],
        [helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="softcore"
    )
    assert onnx.load(ort._NEAREST_WITH_FLOORS) == model


@pytest.mark.parametrize("count", [1, 255, 256, 600])
def test_the_index_beside_the_network_names_the_nearest_entry(count: int) -> None:
    rng = np.random.default_rng(0)
    bank = rng.standard_normal((500, 24)).astype(np.float32)
    queries = rng.standard_normal((count, 24)).astype(np.float32)
    entries = ort.OnnxIndex(bank).nearest(queries)
    assert entries.dtype == np.int64
    np.testing.assert_array_equal(entries, cdist(queries, bank).argmin(1))


def test_the_index_beside_the_network_knows_floors() -> None:
    rng = np.random.default_rng(0)
    bank, queries = (rng.standard_normal((rows, 24)).astype(np.float32) for rows in (500, 300))
    distances = cdist(queries, bank)
    floors = rng.uniform(0, 2 * distances.min(), 500).astype(np.float32)
    floors[::2] = np.float32(1e30)
    entries = ort.OnnxIndex(bank, floors=floors).nearest(queries)
    np.testing.assert_array_equal(entries, np.maximum(distances, floors).argmin(1))
    without = ort.OnnxIndex(bank, floors=np.zeros(500, np.float32)).nearest(queries)
    np.testing.assert_array_equal(without, distances.argmin(1))


def test_decisions_with_the_index_beside_the_network_are_exact(tiny_bundle: Path) -> None:
    """It may err, in float32 and where lengths are huge: what it names is measured again."""
    bundle = read_bundle(tiny_bundle)
    rng = np.random.default_rng(1)
    search = Search(bundle.bank, bundle.weights, bundle.floors, ort.OnnxIndex(bundle.bank), bundle.hints)
    for spread in (1, 3, 10, 1e4):
        patches = bundle.bank[rng.integers(len(bundle.bank), size=64)]
        patches = patches + rng.standard_normal(patches.shape).astype(np.float32) * np.float32(spread)
        scores = (bundle.weights * cdist(patches, bundle.bank))[
            np.arange(64), cdist(patches, bundle.bank).argmin(1)
        ]
        for limit in (scores.max() * 0.999, scores.max() * 1.001, float(np.median(scores))):
            assert search.decide(patches, limit).above == bool(scores.max() > limit)
            found, drawn = search.inspect(patches, limit)
            assert found.above == bool(scores.max() > limit)
            assert drawn.max() == pytest.approx(scores.max(), rel=1e-5)


def open_it(path: Path, provider: Provider | Literal["auto"], *, build: bool = False) -> Backbone:
    return open_backbone(path / "backbone.onnx", "auto", provider=provider, build=build)


def test_cuda_computes_with_kernels_that_are_the_same_in_every_run(tiny_bundle: Path, gpu: Any) -> None:
    backbone = open_it(tiny_bundle, "cuda")
    assert (backbone.provider, backbone.precision, backbone.device) == ("cuda", "fp32", gpu.device)
    (chain,) = gpu.asked
    assert list(chain) == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert chain["CUDAExecutionProvider"] == {
        "device_id": 0, "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": 0,
    }  # fmt: skip
    assert not (tiny_bundle / "engines").exists()


def test_tensorrt_builds_its_engines_once_and_says_so(
    tiny_bundle: Path, gpu: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = open_it(tiny_bundle, "tensorrt")
    (chain,) = gpu.asked
    assert list(chain) == ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    options = chain["TensorrtExecutionProvider"]
    assert (options["trt_engine_cache_enable"], options["trt_timing_cache_enable"]) == (True, True)
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == (False, False)
    assert Path(str(options["trt_timing_cache_path"])).is_dir()
    assert first.engine_folder
    assert first.engine_folder.parent == tiny_bundle / "engines"
    said = f"TensorRT builds its engines for {gpu.device.name}: that takes minutes, once"
    assert [record.message for record in caplog.records] == [said]
    again = open_it(tiny_bundle, "tensorrt")
    assert len(caplog.records) == 1
    assert again.engine_folder == first.engine_folder
    assert gpu.asked[1]["TensorrtExecutionProvider"]["trt_engine_cache_path"] == str(first.engine_folder)
    assert not gpu.asked[1]["TensorrtExecutionProvider"]["trt_timing_cache_enable"]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "bf16"])
def test_tensorrt_computes_in_the_precision_of_the_graph(
    tiny_bundle: Path, gpu: Any, precision: Precision
) -> None:
    backbone = open_backbone(tiny_bundle / "backbone.onnx", "auto", precision, provider="tensorrt")
    options = gpu.asked[0]["TensorrtExecutionProvider"]
    assert options["trt_fp16_enable"] is (precision == "fp16")
    assert options["trt_int8_enable"] is (precision == "int8")
    assert backbone.precision == ("fp32" if precision == "bf16" else precision)


@pytest.mark.parametrize("change", ["gpu", "tensorrt", "precision", "network"])
def test_foreign_engines_are_never_taken(tiny_bundle: Path, gpu: Any, change: str) -> None:
    ours = open_it(tiny_bundle, "tensorrt").engine_folder
    precision: Precision = "fp32"
    if change == "gpu":
        gpu.device = replace(gpu.device, name="NVIDIA L4", capability="8.9")
    elif change == "tensorrt":
        gpu.version = "10.4.0"
    elif change == "precision":
        precision = "fp16"
    else:
        network = onnx.load(tiny_bundle / "backbone.onnx")
        network.doc_string = "another"
        onnx.save(network, tiny_bundle / "backbone.onnx")
    assert (
        "no engines for this GPU"
        in open_backbone(tiny_bundle / "backbone.onnx", "auto", precision, provider="auto").choice
    )
    theirs = open_backbone(
        tiny_bundle / "backbone.onnx", "auto", precision, provider="tensorrt"
    ).engine_folder
    assert theirs
    assert theirs != ours
    assert gpu.asked[-1]["TensorrtExecutionProvider"]["trt_engine_cache_path"] != str(ours)


@pytest.mark.usefixtures("gpu")
def test_auto_takes_tensorrt_only_with_engines_unless_it_may_build_them(tiny_bundle: Path) -> None:
    backbone = open_it(tiny_bundle, "auto")
    assert (backbone.engine, backbone.provider) == ("onnxruntime", "cuda")
    assert backbone.choice == (
        "not tensorrt: it has no engines for this GPU yet: softcore-edge prepare builds them"
    )
    backbone = open_it(tiny_bundle, "auto", build=True)
    assert (backbone.provider, backbone.choice) == ("tensorrt", "")
    assert open_it(tiny_bundle, "auto").provider == "tensorrt"


@pytest.mark.usefixtures("gpu")
def test_several_frames_go_through_tensorrt_one_after_the_other(tiny_bundle: Path) -> None:
    """Its engines are for one shape; the session refuses another."""
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    expected = ort.OnnxBackbone(tiny_bundle / "backbone.onnx").features(crops)
    backbone = open_it(tiny_bundle, "tensorrt")
    np.testing.assert_array_equal(backbone.features(crops), expected)
    out = np.empty_like(expected)
    assert backbone.features(crops, out) is out
    np.testing.assert_array_equal(out, expected)
    assert isinstance(backbone, ort.OnnxBackbone)
    assert backbone._session.get_inputs()[0].shape == [1, 32, 32, 3]


def test_a_network_of_which_tensorrt_takes_nothing_is_not_said_to_run_there(
    tiny_bundle: Path, gpu: Any
) -> None:
    gpu.takes = False
    with pytest.raises(ProviderError, match="provider tensorrt: TensorRT takes no part of this network"):
        open_it(tiny_bundle, "tensorrt")
    assert open_it(tiny_bundle, "auto", build=True).provider == "cuda"


def test_a_gpu_that_fails_at_once_is_passed_over_and_one_that_fails_later_is_told(
    tiny_bundle: Path, gpu: Any
) -> None:
    """Never does another provider go on in its place, unasked."""
    backbone = open_it(tiny_bundle, "cuda")
    gpu.fails = True
    with pytest.raises(ProviderError, match=r"can't run it .CUDA failure 700"):
        backbone.features(np.zeros((1, 32, 32, 3), np.uint8))
    assert backbone.provider == "cuda"
    with pytest.raises(ProviderError, match=r"provider cuda: .*CUDA failure 700"):
        open_it(tiny_bundle, "cuda")


@pytest.mark.usefixtures("gpu")
def test_crops_that_do_not_fit_are_no_fault_of_the_gpu(tiny_bundle: Path) -> None:
    with pytest.raises(BundleCorruptError, match="can't run it"):
        open_it(tiny_bundle, "cuda").features(np.zeros((1, 30, 32, 3), np.uint8))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_missing_libraries_are_named_with_what_installs_them(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    asked = []

    def missing(library: Path) -> list[str]:
        asked.append(library.name)
        return ["libnvinfer.so.10"] if "tensorrt" in library.name else []

    monkeypatch.setattr(ort, "find_missing", missing)
    if provider == "cuda":
        assert open_it(tiny_bundle, "cuda").provider == "cuda"
        assert asked == ["libonnxruntime_providers_cuda.so"]
    else:
        with pytest.raises(ProviderError, match=r"tensorrt: libnvinfer\.so\.10 can't be loaded; .*install"):
            open_it(tiny_bundle, "tensorrt")
        assert "not tensorrt: libnvinfer" in open_it(tiny_bundle, "auto").choice


@pytest.mark.usefixtures("gpu")
def test_a_provider_that_onnx_runtime_lets_fall_is_not_said_to_compute(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It warns on standard error, if at all, and goes on with the CPU."""
    monkeypatch.setattr(onnxruntime.InferenceSession, "get_providers", lambda _: ["CPUExecutionProvider"])
    with pytest.raises(
        ProviderError, match="provider cuda: ONNX Runtime finds no way to compute with CUDA here"
    ):
        open_it(tiny_bundle, "cuda")


def test_a_driver_too_old_for_onnx_runtime_s_cuda_is_said(
    tiny_bundle: Path, gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0")
    with pytest.raises(ProviderError, match=r"provider cuda: .*built for CUDA 13\.0, .* driver has 12\.6;"):
        open_it(tiny_bundle, "cuda")
    gpu.device = replace(gpu.device, driver="13.1 590.1")
    assert open_it(tiny_bundle, "cuda").provider == "cuda"


def test_kept_engines_that_can_not_be_read_are_built_anew(tiny_bundle: Path, gpu: Any) -> None:
    kept = open_it(tiny_bundle, "tensorrt").engine_folder
    assert kept
    gpu.refuses = kept
    backbone = open_it(tiny_bundle, "auto")
    assert backbone.provider == "cuda"
    assert "can't open backbone.onnx there (could not deserialize engine)" in backbone.choice
    assert open_it(tiny_bundle, "tensorrt").provider == "tensorrt"
    tried, built = gpu.asked[-2:]
    assert tried["TensorrtExecutionProvider"]["trt_engine_cache_path"] == str(kept)
    assert built["TensorrtExecutionProvider"]["trt_engine_cache_path"] != str(kept)


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler: apt install gcc")
@pytest.mark.parametrize(("number", "version"), [(101601, "10.16.1"), (100300, "10.3.0"), (8601, "8.6.1")])
def test_the_version_of_tensorrt_is_asked_of_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, version: str
) -> None:
    (tmp_path / "infer.c").write_text(f"int getInferLibVersion(void) {{ return {number}; }}\n")
    library = tmp_path / f"libnvinfer.so.{number}"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "infer.c"], check=True)
    monkeypatch.setattr(ort, "list_needed", lambda _: ["libc.so.6", str(library)])
    monkeypatch.setattr(ort, "_INFER", str(tmp_path / "libnvinfer.so"))
    assert ort._read_tensorrt_version() == version
    monkeypatch.setattr(ort, "list_needed", lambda _: ["libc.so.6"])
    with pytest.raises(ProviderError, match="doesn't tell its version"):
        ort._read_tensorrt_version()


def test_without_a_gpu_auto_takes_the_cpu_and_says_why(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softcore_runtime.backends.devices._DRIVER", str(tiny_bundle / "libcuda.so.1"))
    backbone = open_it(tiny_bundle, "auto")
    assert (backbone.provider, backbone.choice) == ("cpu", "there is no NVIDIA driver here")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA"
)
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_forced_provider_that_is_not_built_in_is_an_error_with_the_command(
    tiny_bundle: Path, provider: Provider
) -> None:
    with pytest.raises(ProviderError) as caught:
        open_it(tiny_bundle, provider)
    assert str(caught.value).startswith(
        f"provider {provider}: this ONNX Runtime is built without CUDA; run: "
    )
    assert "pip install 'softcore[gpu]'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_openvino_has_no_such_provider(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="provider cuda: ONNX Runtime has it, openvino doesn't"):
        open_backbone(tiny_bundle / "backbone.onnx", "openvino", provider="cuda")
    backbone = open_backbone(tiny_bundle / "backbone.onnx", "openvino", provider="auto")
    assert (backbone.engine, backbone.provider, backbone.choice) == ("openvino", "cpu", "")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_every_option_is_one_that_the_provider_s_own_library_knows(tmp_path: Path, provider: str) -> None:
    library = ort._find_provider_library(provider)
    if not library.is_file():
        pytest.skip(f"this ONNX Runtime has no {provider}: pip install 'softcore[gpu]'")
    content = library.read_bytes()
    options = {"cuda": ort._CUDA_OPTIONS, "tensorrt": ort._make_tensorrt_options("fp16", tmp_path, tmp_path)}
    for name, value in options[provider].items():
        assert b"\0" + name.encode() + b"\0" in content
        if isinstance(value, str) and value != str(tmp_path):
            assert b"\0" + value.encode() + b"\0" in content


def test_nothing_is_kept_of_the_device_and_nothing_said_without_a_home(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry writes an id into the home, and complains where it can't."""
    code = (
        "import numpy as np; from softcore_runtime.backends.ort import OnnxIndex;"
        "OnnxIndex(np.zeros((9, 4), np.float32)).nearest(np.zeros((1, 4), np.float32))"
    )
    environment = {
        k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    for home in (tmp_path, tmp_path / "none"):
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, "HOME": str(home)},
            capture_output=True,
            text=True,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
