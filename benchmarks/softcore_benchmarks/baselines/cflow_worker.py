"""CFLOW worker: anomalib's CFLOW in its own environment, without SoftCore.

Started by `cflow.py`. Reads the path of a job from every line of standard input, does the job and answers
with a line of JSON, `{"error": null}` or the failure in words. A job is JSON with the paths `crops` (npy,
uint8 BGR `[n, crop, crop, 3]`) and `state`; either `maps` is null, to train and write the state, or the path
of an npy to write, float32 `[n, crop, crop]`. `backbone`, `layers`, `weights`, `fiber_batch`, `steps` and
`seed` are the settings.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anomalib.data import ImageBatch
from anomalib.models import Cflow
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.utils.data import DataLoader

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, RGB
_BATCH = 8  # images a training step


def main() -> None:
    """Do jobs until standard input ends."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print to standard output
    for line in sys.stdin:
        try:
            do(json.loads(Path(line.strip()).read_text()))
            error = None
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        print(json.dumps({"error": error}), file=answers, flush=True)


def do(job: dict[str, Any]) -> None:
    """Train and write the state, or score with a written state."""
    seed_everything(job["seed"], verbose=False)
    model = Cflow(
        backbone=job["backbone"],
        layers=job["layers"],
        pre_trained=job["weights"] is None,
        fiber_batch_size=job["fiber_batch"],
        pre_processor=False,
        post_processor=False,
        evaluator=False,
        visualizer=False,
    )
    if job["weights"]:
        load_weights(model.model.encoder.feature_extractor, Path(job["weights"]))
    images = normalise(np.load(job["crops"]))
    if job["maps"] is None:
        train(model, images, job["steps"])
        torch.save(model.model.decoders.state_dict(), job["state"])
    else:
        model.model.decoders.load_state_dict(torch.load(job["state"], weights_only=True))
        with torch.no_grad():
            # All at once: anomalib scales its maps by the highest likelihood in the batch.
            maps = model.model(images).anomaly_map
        np.save(job["maps"], maps.reshape(len(images), *images.shape[-2:]).numpy())


def train(model: Cflow, images: Tensor, steps: int) -> None:
    """Train as anomalib does on normalised images `[n, 3, crop, crop]`."""
    loader: DataLoader[Any] = DataLoader(
        images,  # type: ignore[arg-type]
        batch_size=min(_BATCH, len(images)),
        shuffle=True,
        drop_last=True,
        collate_fn=lambda batch: ImageBatch(image=torch.stack(batch)),
    )
    Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(model, loader)


def normalise(crops: np.ndarray) -> Tensor:
    """Convert uint8 BGR `[n, crop, crop, 3]` to normalised float32 RGB `[n, 3, crop, crop]`."""
    rgb = torch.from_numpy(crops[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
    return (rgb - torch.tensor(_MEAN).view(3, 1, 1)) / torch.tensor(_DEVIATION).view(3, 1, 1)


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Load a state dict under torchvision's names, which timm shares; unused layers may be absent."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    missing = network.load_state_dict(state, strict=False).missing_keys
    if missing:
        raise ValueError(f"{path}: {missing[0]} is missing")


if __name__ == "__main__":
    main()
