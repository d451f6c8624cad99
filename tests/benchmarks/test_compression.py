from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from softcore_benchmarks.compression import main

KINDS = ["as it was", "JPEG 95", "JPEG 80", "H.264, crf 18", "H.264, crf 23"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A category of 70 images without compression, smooth with noise."""
    folder = tmp_path / "data" / "noisy" / "train" / "good"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.uniform(60, 190, (6, 6)), (96, 96), interpolation=cv2.INTER_CUBIC)
    for number in range(70):
        image = np.clip(coarse[:, :, None] + rng.normal(0, 2, (96, 96, 3)), 0, 255).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number:02}.png"), image)
    return tmp_path / "data"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg: apt install ffmpeg")
def test_one_command_tells_what_is_noticed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(data), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "COMPRESSION.md")
    table = pd.read_csv(tmp_path / "results" / "compression.csv")
    assert list(table["way"]) == KINDS
    assert list(table["alarm"]) == [False, True, True, True, True]
    assert (table["noise"][1:] < -0.05).all()
    text = (tmp_path / "COMPRESSION.md").read_text()
    assert "Alarms without cause: 0 of 1. With cause: 4 of 4." in text
    assert main(["--data", str(data), "--out", str(tmp_path), "--categories", "none"]) == 2
