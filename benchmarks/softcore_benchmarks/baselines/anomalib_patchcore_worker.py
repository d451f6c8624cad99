"""PatchCore worker: anomalib's PatchCore in its own environment, without SoftCore.

Started by `anomalib_patchcore.py`. Every line of standard input is a request in JSON, every answer a line of
JSON: the result, and `error`, null or the failure in words. `do` names the task:

    fit     train on `crops` (npy, uint8 BGR [n, crop, crop, 3]) and export, by `settings`
    scores  score `images`, paths, in a `form`
    time    score `image`, a path, in a `form`: milliseconds from the decoded frame to the score
    bare    run the backbone alone on `image`'s crop, by the engine of a `form`: milliseconds

A form is `torch`, `onnx` (ONNX Runtime), `openvino` (in the precision that it chooses: BF16 where the CPU has
it) or `openvino-f32`. Engines choose their threads themselves. An answer is sent when these are idle: those
of ONNX Runtime spin for some 50 ms after a run, and would take the cores from the next one that is timed.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import openvino
import torch
from anomalib.data import ImageBatch
from anomalib.models import Patchcore
from anomalib.pre_processing import PreProcessor
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import LambdaCallback
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms.v2 import Normalize

FORMS = ("torch", "onnx", "openvino", "openvino-f32")
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, RGB
_BATCH = 32  # images a training step: anomalib's default
_WARM = 3  # runs before the first that counts

# float32 RGB 0..1 [1, 3, crop, crop] -> the outputs
Network = Callable[[np.ndarray], Any]


def main() -> None:
    """Answer requests until standard input ends."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    # Libraries may print to standard output, also from C.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(Path(folder))
        for line in sys.stdin:
            try:
                answer = worker.answer(json.loads(line)) | {"error": None}
            except Exception as raised:
                answer = {"error": f"{type(raised).__name__}: {raised}"}
            wait_until_idle()
            print(json.dumps(answer), file=answers, flush=True)


class Worker:
    """The model that was trained last, in every form."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model: Any = None
        self.resize = self.crop = 0
        self.networks: dict[str, Network] = {}
        self.backbones: dict[str, Network] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do the task of a request and return the answer."""
        if request["do"] == "fit":
            return self.fit(np.load(request["crops"]), request["settings"])
        if self.model is None:
            raise RuntimeError("nothing was trained yet")
        form = request["form"]
        if request["do"] == "scores":
            return {"scores": [self.score(form, read(path)) for path in request["images"]]}
        frame = read(request["image"])
        if request["do"] == "time":
            start = time.perf_counter()
            score = self.score(form, frame)
            return {"milliseconds": 1000 * (time.perf_counter() - start), "score": score}
        crop = self.prepare(frame)
        start = time.perf_counter()
        self.backbones[form](crop)
        return {"milliseconds": 1000 * (time.perf_counter() - start)}

    def fit(self, crops: np.ndarray, settings: dict[str, Any]) -> dict[str, Any]:
        """Train and export as anomalib does."""
        self.model, self.networks, self.backbones = None, {}, {}
        self.resize, self.crop = settings["resize"], settings["crop"]
        seed_everything(settings["seed"], verbose=False)
        model = make(settings)
        seconds = train(model, crops)
        size = (self.crop, self.crop)
        # By default anomalib's exports take two images, no more and no less; with no dynamic shapes, one.
        start = time.perf_counter()
        onnx = model.to_onnx(self.folder, input_size=size, dynamic_shapes=None)
        seconds["onnx"] = time.perf_counter() - start
        start = time.perf_counter()
        xml = self.folder / "model.xml"  # by the steps of `to_openvino`, which would export to ONNX once more
        openvino.save_model(openvino.convert_model(onnx), xml, compress_to_fp16=False)
        seconds["openvino"] = time.perf_counter() - start
        backbone = model.model.feature_extractor.feature_extractor
        alone = self.folder / "backbone.onnx"
        torch.onnx.export(backbone, (torch.zeros(1, 3, *size),), str(alone))
        for form in FORMS:
            self.networks[form] = load(form, model, xml if form.startswith("openvino") else onnx, self.crop)
            self.backbones[form] = load(form, backbone, alone, self.crop)
        self.model = model
        compiled: Any = self.networks["openvino"]
        return {
            "entries": len(model.model.memory_bank),
            "neighbours": model.model.num_neighbors,
            "precision": compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name(),
            "seconds": seconds,
            "peak_mb": peak_mb(),
        }

    def score(self, form: str, frame: np.ndarray) -> float:
        """Score a whole frame, uint8 BGR."""
        outputs = self.networks[form](self.prepare(frame))
        if form == "torch":
            return float(outputs.pred_score)
        return float(outputs[0][0])  # the map follows, which every form draws

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """Squeeze a frame to a square and cut out its middle, float32 RGB 0..1 `[1, 3, crop, crop]`."""
        height, width = frame.shape[:2]
        shrunk = (min(width, self.resize), min(height, self.resize))
        small = cv2.resize(frame, shrunk, interpolation=cv2.INTER_AREA)
        square = cv2.resize(small, (self.resize, self.resize), interpolation=cv2.INTER_LINEAR)
        start = (self.resize - self.crop) // 2
        return to_rgb(square[start : start + self.crop, start : start + self.crop])


def make(settings: dict[str, Any]) -> Any:
    """Return an untrained PatchCore with anomalib's defaults where there are no settings.

    Its scores stay raw: the post-processor would scale them by thresholds that need bad images.
    """
    chosen = {} if settings["neighbours"] is None else {"num_neighbors": settings["neighbours"]}
    model = Patchcore(
        backbone=settings["backbone"],
        layers=settings["layers"],
        pre_trained=False,
        coreset_sampling_ratio=settings["coreset_ratio"],
        pre_processor=PreProcessor(transform=Normalize(mean=list(_MEAN), std=list(_DEVIATION))),
        post_processor=False,
        evaluator=False,
        visualizer=False,
        **chosen,
    )
    load_weights(model.model.feature_extractor.feature_extractor, Path(settings["weights"]))
    return model


def train(model: Any, crops: np.ndarray) -> dict[str, float]:
    """Train on uint8 BGR `[n, crop, crop, 3]`; return the seconds of `features` and `coreset`."""
    loader: DataLoader[Any] = DataLoader(
        crops,  # type: ignore[arg-type]
        batch_size=_BATCH,
        collate_fn=lambda batch: ImageBatch(
            image=torch.from_numpy(np.concatenate([to_rgb(crop) for crop in batch]))
        ),
    )
    # Callbacks are called before the model, which draws its coreset when the epoch ends.
    epoch_ends: list[float] = []
    start = time.perf_counter()
    Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[LambdaCallback(on_train_epoch_end=lambda *_: epoch_ends.append(time.perf_counter()))],
    ).fit(model, loader)
    stop = time.perf_counter()
    model.eval()
    return {"features": epoch_ends[0] - start, "coreset": stop - epoch_ends[0]}


def load(form: str, model: nn.Module, path: Path, crop: int) -> Network:
    """Return a form, the model itself or a loaded file, after some runs."""
    network: Network
    if form == "torch":

        def network(image: np.ndarray) -> Any:
            with torch.inference_mode():
                return model(torch.from_numpy(image))

    elif form == "onnx":
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def network(image: np.ndarray) -> Any:
            return session.run(None, {name: image})

    else:
        settings = {"PERFORMANCE_HINT": "LATENCY"}
        if form == "openvino-f32":
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        network = openvino.Core().compile_model(str(path), "CPU", settings)
    for _ in range(_WARM):
        network(np.zeros((1, 3, crop, crop), np.float32))
    return network


def to_rgb(crop: np.ndarray) -> np.ndarray:
    """Convert uint8 BGR `[crop, crop, 3]` to float32 RGB 0..1 `[1, 3, crop, crop]`."""
    return np.asarray(cv2.dnn.blobFromImage(crop, 1 / 255, swapRB=True))


@functools.lru_cache(maxsize=64)
def read(path: str) -> np.ndarray:
    """Read an image as uint8 BGR; the last ones are cached."""
    image = cv2.imread(path)
    if image is None:
        raise ValueError(f"{path}: can't be read")
    return image


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a state dict under torchvision's names, which timm shares; unused layers may be absent."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    missing = network.load_state_dict(state, strict=False).missing_keys
    if missing:
        raise ValueError(f"{path}: {missing[0]} is missing")


def peak_mb() -> float:
    """Return the peak resident memory in megabytes (Linux); `getrusage` would include the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def wait_until_idle(window: float = 0.005, quiet: int = 3, patience: float = 1.0) -> None:
    """Wait until no thread was busy for `quiet` windows in a row, for `patience` seconds at most.

    One window isn't enough: a spinning thread may be waiting for a core.
    """
    give_up = time.perf_counter() + patience
    calm = 0
    while calm < quiet and time.perf_counter() < give_up:
        before = time.process_time()
        time.sleep(window)
        calm = calm + 1 if time.process_time() - before < window / 10 else 0


if __name__ == "__main__":
    main()
