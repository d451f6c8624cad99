from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from softcore_benchmarks.compression import main


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A category of 40 images without compression, smooth with noise."""
    folder = tmp_path / "data" / "noisy" / "train" / "good"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.uniform(60, 190, (6, 6)), (96, 96), interpolation=cv2.INTER_CUBIC)
    for number in range(40):
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
    assert len(table) == 3 * 7
    assert list(table["cause"].value_counts().sort_index()) == [3, 4, 14]  # no, perhaps, yes
    plain = table[table["learned"] == "as it was"].set_index("seen")
    jpegs = plain.loc[["JPEG 95", "JPEG 90", "JPEG 75"]]
    assert plain["told"]["as it was"] == 0
    assert (jpegs["told"] == 1).all()
    assert (jpegs["blocks"] > 0.1).all()
    assert jpegs["flat"].is_monotonic_increasing  # the smaller the file, the less noise
    text = (tmp_path / "COMPRESSION.md").read_text()
    assert "| noisy      |" in text
    assert main(["--data", str(data), "--out", str(tmp_path), "--categories", "none"]) == 2
