"""What an engineer gets on real images with real ImageNet weights; skipped where those are absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector, read_image
from softcore_runtime.images.image_file import find_images

SHARED = Path(__file__).parents[3] / "shared"
WEIGHTS = SHARED / "weights" / "resnet18-imagenet-to-layer3.pth"

pytestmark = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason=f"needs the real images and weights, which aren't published: {WEIGHTS}"
)


def image_auroc(
    category: str, out: Path, max_images: int | None = None, *, every: int = 1, **settings: object
) -> float:
    folder = SHARED / "data" / category
    chosen = ExportSettings.model_validate(
        {"backbone": "resnet18", "weights": WEIGHTS, "engine": "onnxruntime", **settings}
    )
    done = export(TrainingImages.find(folder, max_images), out / category, chosen)
    assert done.manifest.index.recall >= 0.99
    inspector = Inspector.load(done.path)
    paths = find_images(SHARED / "data" / category / "test")[::every]
    scores = [inspector.inspect(read_image(path)).score for path in paths]
    assert np.isfinite(scores).all()
    return float(roc_auc_score([path.parent.name != "good" for path in paths], scores))


def test_pill(tmp_path: Path) -> None:
    assert image_auroc("pill", tmp_path, 100, every=4, coreset_ratio=0.1) >= 0.995


def test_magnetic_tile(tmp_path: Path) -> None:
    assert image_auroc("magnetic_tile", tmp_path, 150, every=4, coreset_ratio=0.02) >= 0.85
