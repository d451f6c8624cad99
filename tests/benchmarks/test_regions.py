from __future__ import annotations

from pathlib import Path

import pytest
from softcore_benchmarks import regions
from softcore_benchmarks.data.category import Category
from softcore_export.settings import ExportSettings
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime.images.preprocessing import Preprocessing

from .conftest import SMALL


def test_each_way_is_measured_on_the_same_images(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    square = WindowRequest(keep_aspect=False)
    ways = {
        "square": (square, SMALL),
        "left half": (WindowRequest(roi="0,0,50%,100%"), Preprocessing(resize=64, crop=64)),
    }
    monkeypatch.setattr(regions, "_WAYS", ways)
    settings = ExportSettings(backbone="filterbank", engine="onnxruntime", precision="fp32")
    row = regions.measure_region(Category.find(root / "stripes"), settings, 0.0)
    assert row["square"] == 1.0
    assert 0 <= float(str(row["left half"])) <= 1
    assert row["frame inspected"] == 0.5
