from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.cli import prepare_command
from softcore_edge_app.cli.command import main
from softcore_runtime import Inspector
from softcore_runtime.backends.devices import Device, SearchTimes
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.inspection.preparation import Preparation
from softcore_runtime.inspection.self_test import GoldenFrames, GoldenScore


def test_a_bundle_is_prepared_and_what_was_compared_is_said(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softcore_runtime.backends.devices._DRIVER", str(tiny_bundle / "libcuda.so.1"))
    assert main(["prepare", str(tiny_bundle)]) == 0
    out, err = capsys.readouterr()
    first, parity = out.splitlines()
    assert first == f"{tiny_bundle}: onnxruntime in fp32 (there is no NVIDIA driver here)"
    assert parity.startswith("  parity     2 of 2 golden frames are decided as at export; ")
    assert err == f"preparing {tiny_bundle} ...\n"


def test_a_missing_provider_is_one_line(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", str(tiny_bundle), "--provider", "tensorrt"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("softcore-edge prepare: provider tensorrt: ")


def test_another_decision_than_the_export_s_is_a_fault_of_the_bundle(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GoldenFrames, "compare", lambda _: (GoldenScore("good.png", 11.0, 13.0, 12.0),))
    assert main(["prepare", str(tiny_bundle), "--provider", "cpu"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "decides 1 of 1 golden frames otherwise" in err


def test_no_bundle_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", str(tmp_path / "none")]) == 3
    assert "no bundle here" in capsys.readouterr().err


@pytest.mark.parametrize(("graph", "place"), [(0.5, "GPU"), (3.0, "host")])
def test_engines_and_search_are_said_where_there_is_a_gpu(
    tiny_bundle: Path, graph: float, place: str
) -> None:
    inspector = Inspector.load(tiny_bundle, provider="cpu")
    device = Device("Orin", "8.7", "12.6")
    inspector.backbone.device = device
    inspector.backbone.engine_folder = tiny_bundle / "engines/0123456789abcdef"
    times = SearchTimes(device=str(device), onnxruntime="1", bank="ab" * 32, hnsw=2.0, graph=graph)
    said = list(
        prepare_command._describe(Preparation(inspector, inspector.golden.compare(), times, seconds=143.2))
    )
    assert said[0] == "device     Orin (8.7, driver 12.6)"
    assert said[1] == f"engines    {tiny_bundle}/engines/0123456789abcdef, open after 143.2 s"
    assert (
        said[3]
        == f"search     on the {place}: {graph:.2f} ms a frame on the GPU, 2.00 ms by HNSW on the host"
    )


def test_the_provider_stands_in_summary_ledger_and_configuration(
    tiny_bundle: Path, good_frame: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    frame = tmp_path / "frame.png"
    assert cv2.imwrite(str(frame), good_frame)
    arguments = [str(tiny_bundle), "--source", str(frame), "--json"]
    assert main([*arguments, "--provider", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["decision"] == "PASS"
    assert "network onnxruntime in fp32\n" in err
    assert main([*arguments, "--provider", "cuda"]) == 2
    assert capsys.readouterr().err.startswith("softcore-edge: provider cuda: ")


def test_a_threshold_calibrated_on_another_provider_is_remarked_on(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle, provider="cpu")
    inspector.backbone.provider = "cuda"
    assert isinstance(inspector.manifest, Manifest)
    assert inspector.remark == (
        "the bundle was learned with onnxruntime in fp32, here it runs with onnxruntime on cuda in fp32: "
        "calibrate its threshold on this machine"
    )
