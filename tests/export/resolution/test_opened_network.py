"""Bundles whose resolution was measured, and whose grid is coarser than the network's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from softcore_export.alignment.alignment_choice import AlignmentChoice
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, export
from softcore_export.resolution.opened_network import open_chosen
from softcore_export.settings import ExportSettings
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime import Inspector, UsageError
from softcore_runtime.images.preprocessing import Preprocessing

Draw = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, draw_disc: Draw, small: ExportSettings) -> Export:
    """An export of discs of 320 pixels, which 224 and 320 show without enlarging them."""
    root = tmp_path_factory.mktemp("measured")
    (root / "disc").mkdir()
    for number in range(10):
        image = cv2.resize(draw_disc(number), (320, 320), interpolation=cv2.INTER_CUBIC)
        assert cv2.imwrite(str(root / "disc" / f"{number}.png"), image)
    changes = {"resolution": "auto", "budget": 1e6, "grid": 8}
    return export(
        TrainingImages.find(root / "disc"), root / "bundles" / "disc", small.model_copy(update=changes)
    )


def test_a_measured_resolution_ships(measured: Export) -> None:
    preprocessing = measured.manifest.preprocessing
    assert preprocessing.resize == preprocessing.crop
    assert preprocessing.crop in (224, 320)
    page = (measured.path / "report.html").read_text()
    assert "<h3>The resolution</h3>" in page
    assert "would enlarge the images 1.4 times" in page
    inspector = Inspector.load(measured.path)
    image = inspector.manifest.preprocessing.read(measured.images[0])
    assert inspector.inspect(image).score >= 0


def test_a_coarser_grid_ships(measured: Export) -> None:
    manifest = measured.manifest
    assert (manifest.grid.height, manifest.grid.width) == (8, 8)
    assert measured.kept.shape == (10, 64)
    assert manifest.bank.n == 64  # a tenth
    session = onnxruntime.InferenceSession(
        str(measured.path / "backbone.onnx"), providers=["CPUExecutionProvider"]
    )
    crop = manifest.preprocessing.apply(manifest.preprocessing.read(measured.images[0]))
    (features,) = session.run(None, {"crops": crop[None]})
    assert features.shape == (1, 64, manifest.bank.dim)
    image, row, column = np.load(measured.path / "origins.npy").T
    entries = np.load(measured.path / "bank.npy")[image == 0]
    own = features[0].reshape(8, 8, -1)[row[image == 0], column[image == 0]]
    assert entries == pytest.approx(own, rel=1e-3, abs=1e-3)


def test_a_grid_finer_than_the_networks_is_refused(
    discs: Path, tmp_path: Path, small: ExportSettings
) -> None:
    settings = small.model_copy(update={"grid": 9})
    with pytest.raises(UsageError, match="--grid 9: the network gives 8 x 8 patches for 64 pixels"):
        open_chosen(TrainingImages.find(discs / "disc"), settings, AlignmentChoice(), tmp_path)


def test_windows_follow_the_coarser_grid(discs: Path, tmp_path: Path, small: ExportSettings) -> None:
    changes = {
        "grid": 4,
        "windows": WindowRequest(tile=40),
        "preprocessing": Preprocessing(resize=64, crop=64),
    }
    opened = open_chosen(
        TrainingImages.find(discs / "disc"), small.model_copy(update=changes), AlignmentChoice(), tmp_path
    )
    windows = opened.settings.preprocessing.windows
    assert windows is not None
    assert windows.across % 16 == 0  # a patch of the coarser grid
    assert opened.settings.coreset_ratio == 0.1
    assert opened.resolution is None


@pytest.mark.parametrize(("given", "ratio"), [("auto", 0.025), (0.1, 0.1)])
def test_the_bank_does_not_grow_with_a_finer_grid(
    discs: Path, tmp_path: Path, small: ExportSettings, given: str | float, ratio: float
) -> None:
    changes = {"preprocessing": Preprocessing(resize=448, crop=448), "coreset_ratio": given}
    opened = open_chosen(
        TrainingImages.find(discs / "disc"), small.model_copy(update=changes), AlignmentChoice(), tmp_path
    )
    assert opened.settings.coreset_ratio == pytest.approx(ratio)
