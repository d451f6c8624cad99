from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_benchmarks.research import clean
from softcore_export.contamination.estimate import EstimateParameters, estimate_contamination
from softcore_runtime.images.preprocessing import Preprocessing


def test_one_command_counts_the_suspects(root: Path, work: Path, tmp_path: Path) -> None:
    words = ["--data", str(root), "--categories", "stripes", "--networks", "filterbank:72:64"]
    assert clean.main([*words, "--out", str(tmp_path), "--work", str(work)]) == 0
    [row] = pd.read_csv(tmp_path / "results/clean.csv").to_dict("records")
    assert (row["network"], row["data"]) == ("filterbank:72:64", "stripes")
    network = Network.load("filterbank", None, Preprocessing(resize=72, crop=64), work / "networks")
    features = load_features(Category.find(root / "stripes"), network, work / "features").train
    grid = (round(features.shape[1] ** 0.5),) * 2
    for stretch in clean.STRETCHES:
        rule = EstimateParameters(tail_stretch=stretch)
        found = estimate_contamination(np.asarray(features), grid, torch.device("cpu"), 0, rule).images > 1
        assert row[f"{stretch:g}"] == pytest.approx(found.mean(), abs=1e-4)
    assert "stripes" in (tmp_path / "CLEAN.md").read_text()


def test_a_network_without_sizes_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clean.main(["--data", str(root), "--networks", "filterbank", "--out", str(tmp_path)]) == 2
    assert "--networks filterbank: must be NAME:RESIZE:CROP" in capsys.readouterr().err
