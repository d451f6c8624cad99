from __future__ import annotations

import pytest
from softcore_export.backbone import capability
from softcore_export.backbone.capability import check_device, check_precision, choose_precision
from softcore_runtime.backends.devices import Device
from softcore_runtime.errors import ProviderError, UsageError


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_device() -> Device:
        raise ProviderError("there is no NVIDIA driver here")

    monkeypatch.setattr(capability, "find_device", find_device)


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capability, "find_device", lambda: Device("a GPU", "9.0", "12.4"))


def built(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(capability, "version", lambda _: version)


@pytest.mark.usefixtures("_gpu")
def test_what_is_there_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("2.8.0", "2.8.0+cu128"):
        built(monkeypatch, version)
        for device in ("auto", "cpu", "cuda"):
            check_device(device)


@pytest.mark.usefixtures("_no_gpu")
def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, "2.8.0")
    with pytest.raises(UsageError) as caught:
        check_device("cuda")
    assert str(caught.value) == "--device cuda: there is no NVIDIA driver here; take --device cpu, or auto"


@pytest.mark.usefixtures("_gpu")
def test_a_torch_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, "2.8.0+cpu")
    with pytest.raises(
        UsageError, match=r"PyTorch 2\.8\.0\+cpu is built without CUDA; take --device cpu, or auto"
    ):
        check_device("cuda")


@pytest.mark.usefixtures("_no_gpu")
def test_amds_torch_calls_its_gpus_cuda_too(monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, "2.8.0+rocm6.4")
    check_device("cuda")


def test_precisions() -> None:
    assert choose_precision("auto", "onnxruntime") == "fp32"
    assert choose_precision("int8", "onnxruntime") == "int8"
    assert choose_precision("auto", "openvino") in ("fp32", "bf16")
    with pytest.raises(UsageError, match="--precision bf16: takes OpenVINO and a CPU that has it"):
        choose_precision("bf16", "onnxruntime")
    with pytest.raises(UsageError, match="--precision bf16"):
        check_precision("onnxruntime", "bf16")
    check_precision("auto", "int8")
