"""Bundles of formats that earlier SoftCores wrote load, pass their self-test and decide."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from softcore_runtime import Decision, Inspector

RECORDED = Path(__file__).parents[2] / "recordings"


@pytest.mark.parametrize("version", [3, 4])
def test_it_loads_and_decides(
    version: int, tmp_path: Path, good_frame: np.ndarray, bad_frame: np.ndarray
) -> None:
    path = Path(shutil.copytree(RECORDED / f"bundle_format_{version}" / "tiny", tmp_path / "tiny"))
    inspector = Inspector.load(path)
    assert inspector.manifest.format_version == version
    assert inspector.manifest.preprocessing.windows is None
    assert inspector.manifest.dataset.images == 12
    assert inspector.manifest.threshold.value == 12
    assert not inspector.bundle.floors.any()
    for golden in inspector.bundle.golden:
        frame = inspector.bundle.read_golden(golden)
        assert inspector.inspect(frame).score == pytest.approx(golden.score, rel=1e-6, abs=0)
    assert inspector.decide(good_frame).decision is Decision.PASS
    assert inspector.inspect(bad_frame).decision is Decision.FAIL
