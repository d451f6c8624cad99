from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks.line import shadow
from softcore_runtime.bundle.bundle import read_manifest


def test_one_command_compares_a_line_with_and_without_a_shadow(
    tiny_bundle: Path,
    good_frame: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shadow, "_ROUNDS", 1)
    monkeypatch.setattr(shadow, "_SECONDS", 0.2)
    monkeypatch.setattr(shadow, "_SPACINGS", (50.0,))
    (tmp_path / "good").mkdir()
    cv2.imwrite(str(tmp_path / "good" / "1.png"), good_frame)
    arguments = ["--bundle", str(tiny_bundle), "--images", str(tmp_path / "good"), "--out", str(tmp_path)]
    assert shadow.main(arguments) == 0
    manifest = read_manifest(tiny_bundle)
    name = f"line_shadow_{manifest.backbone.name}_{manifest.preprocessing.crop}.json"
    found = json.loads((tmp_path / "results" / name).read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert found["recorded"]["ratio"] > 0
    assert found["recorded"]["ratio_cpu"] > 0
    triggered = found["triggered every 50 inspections"]
    assert set(triggered) == {"ratio_p50", "ratio_p95", "seen"}
    assert 0 < triggered["seen"] <= 1
