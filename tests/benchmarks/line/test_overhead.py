from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks.line import overhead
from softcore_runtime.bundle.bundle import read_manifest


def test_one_command_compares_a_line_with_bare_decisions(
    tiny_bundle: Path,
    good_frame: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(overhead, "_ROUNDS", 1)
    monkeypatch.setattr(overhead, "_SECONDS", 0.3)
    (tmp_path / "good").mkdir()
    cv2.imwrite(str(tmp_path / "good" / "1.png"), good_frame)
    arguments = ["--bundle", str(tiny_bundle), "--images", str(tmp_path / "good"), "--out", str(tmp_path)]
    assert overhead.main(arguments) == 0
    manifest = read_manifest(tiny_bundle)
    name = f"line_overhead_{manifest.backbone.name}_{manifest.preprocessing.crop}.json"
    found = json.loads((tmp_path / "results" / name).read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert set(found) == {"machine", "bare", *overhead._LINES}
    assert all(found[name]["per_second"] > 1 for name in ("bare", *overhead._LINES))
    assert found["bare"]["ratio"] == 1
    assert all(0.01 < found[name]["ratio"] < 2 for name in overhead._LINES)
