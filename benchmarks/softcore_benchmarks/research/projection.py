"""Why the coreset's random projection has orthonormal axes: image AUROC by kind of projection and seed.

    python -m softcore_benchmarks.research.projection --data DATASETS/magnetic_tile --weights resnet18.pth

Greedy k-centre needs distances in few dimensions. A Gaussian projection to 128 dimensions distorts them
more than one with orthonormal axes does. One JSON object a row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from softcore_export.backbone.backbone import load_backbone
from softcore_export.backbone.onnx_file import write_onnx
from softcore_export.memory_bank.coreset import PROJECTION, spread
from softcore_export.memory_bank.discriminator import denoise, outlier_factors
from softcore_export.settings import ExportSettings
from softcore_runtime import read_image
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.images.image_file import find_images
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from tqdm import tqdm


def main() -> None:
    """Measure every kind of projection."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a category in MVTec AD's layout")
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--max-images", type=int, help="use the first N training images")
    parser.add_argument("--coreset-ratio", type=float, default=0.02)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    settings = ExportSettings(backbone="resnet18", weights=options.weights)
    train = find_images(options.data / "train" / "good")[: options.max_images]
    test = find_images(options.data / "test")
    is_bad = [path.parent.name != "good" for path in test]
    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "backbone.onnx"
        write_onnx(load_backbone("resnet18", options.weights).network, settings.preprocessing.crop, onnx)
        backbone = OnnxBackbone(onnx)
    known = _features(backbone, train, settings)  # [N, P, d]
    seen = _features(backbone, test, settings)

    patches = known.reshape(-1, known.shape[2])
    size = round(options.coreset_ratio * len(patches))
    factors = outlier_factors(known, "lof", settings.lof_k, torch.device("cpu"))
    for discriminator in ("lof", "none"):
        kept = np.flatnonzero(denoise(factors, settings.tau if discriminator == "lof" else 0))
        weights = factors.ravel() if discriminator == "lof" else np.ones(len(patches))
        for kind in ("gaussian", "orthonormal"):
            for seed in range(options.seeds):
                rng = np.random.default_rng(seed)
                axes = rng.standard_normal((known.shape[2], PROJECTION))
                axes = np.linalg.qr(axes)[0] if kind == "orthonormal" else axes / PROJECTION**0.5
                projected = torch.from_numpy(patches[kept] @ axes.astype(np.float32))
                entries = kept[spread(projected, size, int(rng.integers(len(kept))))]
                scores = [_score(image, patches[entries], weights[entries]) for image in seen]
                row = {"discriminator": discriminator, "projection": kind, "seed": seed}
                print(json.dumps({**row, "image_auroc": round(roc_auc_score(is_bad, scores), 4)}), flush=True)


def _features(backbone: OnnxBackbone, paths: list[Path], settings: ExportSettings) -> NDArray[np.float32]:
    crops = (settings.preprocessing.apply(read_image(path)) for path in tqdm(paths))
    return np.stack([backbone.features(crop[None])[0] for crop in crops])


def _score(patches: NDArray[np.float32], bank: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    nearest, _ = ExhaustiveSearch(bank).nearest(patches)
    return float((weights[nearest] * np.linalg.norm(patches - bank[nearest], axis=1)).max())


if __name__ == "__main__":
    main()
