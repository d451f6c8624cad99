"""anomalib's PatchCore beside SoftCore: the same images, weights, layers, crop and coreset ratio.

What these don't settle is as anomalib has it. It runs in its own environment and process
(`anomalib_process.py`), which does nothing between two requests, so that rounds of different systems can be
timed in turn on the same cores:

    with AnomalibPatchcore(python) as patchcore:
        fitted = patchcore.fit(crops, PatchcoreSettings(weights))
        for frame in frames:
            timing = patchcore.time("openvino", frame)  # then time others on the same frame
            alone = patchcore.bare("openvino", frame)
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from softcore_runtime.errors import SoftCoreError
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.baselines.anomalib_process import PYTHON, AnomalibProcess

__all__ = [
    "FORMS",
    "Agreement",
    "AnomalibPatchcore",
    "AnomalibPatchcoreError",
    "Fitted",
    "Form",
    "PatchcoreSettings",
    "Timing",
    "image_auroc",
]

Form = Literal["torch", "onnx", "openvino", "openvino-f32"]
FORMS: tuple[Form, ...] = get_args(Form)
_WORKER = Path(__file__).with_name("anomalib_patchcore_worker.py")
_LIMITS = 20


class AnomalibPatchcoreError(SoftCoreError):
    """anomalib failed."""


@dataclass(frozen=True)
class PatchcoreSettings:
    """What anomalib's PatchCore is told.

    Attributes:
        weights: the backbone's state dict under torchvision's names, at least to the last of the layers.
        backbone: a name that torchvision and timm share.
        layers: whose features are remembered.
        coreset_ratio: share of the patches that is remembered.
        neighbours: that an image's score is weighted by; None is anomalib's own choice, 1 weights nothing.
        preprocessing: how a frame becomes a crop.
        seed: of the coreset.
    """

    weights: Path
    backbone: str = "resnet18"
    layers: tuple[str, ...] = ("layer2", "layer3")
    coreset_ratio: float = 0.1
    neighbours: int | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """What training and exporting gave.

    Attributes:
        entries: of the memory bank.
        neighbours: that an image's score is weighted by.
        precision: of the form `openvino` on this machine: `bf16`, `f16` or `f32`.
        seconds: of the stages `features`, `coreset`, `onnx` and `openvino`; reading images is in none.
        peak_mb: most memory the process has held so far, megabytes.
    """

    entries: int
    neighbours: int
    precision: str
    seconds: dict[str, float]
    peak_mb: float


@dataclass(frozen=True)
class Timing:
    """One inspection: milliseconds from the decoded frame to the score, and the score."""

    milliseconds: float
    score: float


@dataclass(frozen=True)
class Agreement:
    """How far an exported form gives what the torch form gives.

    Attributes:
        relative: largest difference of a score, relative to torch's.
        flips: at each of 20 thresholds, how many images are decided otherwise. The thresholds lie midway
            between two of torch's scores that follow each other, evenly spread from the lowest to the
            highest.
        images: how many there are.
    """

    relative: float
    flips: tuple[int, ...]
    images: int

    @classmethod
    def between(cls, torch: NDArray[np.float64], exported: NDArray[np.float64]) -> Agreement:
        """Compare the scores `[n]` of the same two or more images."""
        ordered = np.sort(torch)
        below = np.linspace(0, len(ordered) - 2, _LIMITS).round().astype(int)
        thresholds = (ordered[below] + ordered[below + 1]) / 2
        other = (torch > thresholds[:, None]) != (exported > thresholds[:, None])  # [thresholds, n]
        relative = np.abs(exported - torch) / np.abs(torch)
        return cls(float(relative.max()), tuple(other.sum(axis=1).tolist()), len(torch))


class AnomalibPatchcore:
    """anomalib's PatchCore in a process of its own; ends with its `with` block.

    Args:
        python: the interpreter that has anomalib.
    """

    def __init__(self, python: Path = PYTHON) -> None:
        self._process = AnomalibProcess(python, _WORKER, "anomalib's PatchCore", AnomalibPatchcoreError)

    def __enter__(self) -> AnomalibPatchcore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.close()

    @property
    def pid(self) -> int:
        """Its process, to be watched."""
        return self._process.pid

    def fit(self, crops: NDArray[np.uint8], settings: PatchcoreSettings) -> Fitted:
        """Train on uint8 BGR `[n, crop, crop, 3]` and export to every form; replaces what was trained before.

        Raises:
            AnomalibPatchcoreError: anomalib failed; its last words are in the message. So do all methods.
        """
        told = asdict(settings)
        told |= told.pop("preprocessing").model_dump() | {"weights": str(settings.weights.resolve())}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "crops.npy"
            np.save(path, crops)
            answer = self._ask(do="fit", crops=str(path), settings=told)
        return Fitted(**{name: answer[name] for name in Fitted.__dataclass_fields__})

    def scores(self, form: Form, images: Sequence[Path]) -> NDArray[np.float64]:
        """Score whole images, `[n]`."""
        answer = self._ask(do="scores", form=form, images=[str(path.resolve()) for path in images])
        return np.array(answer["scores"], np.float64)

    def time(self, form: Form, frame: Path) -> Timing:
        """Inspect a frame once: resize, crop, network and search, not reading the file."""
        answer = self._ask(do="time", form=form, image=str(frame.resolve()))
        return Timing(answer["milliseconds"], answer["score"])

    def bare(self, form: Form, frame: Path) -> float:
        """Run the backbone alone, to its last layer, on a frame's crop by the form's engine: milliseconds."""
        return float(self._ask(do="bare", form=form, image=str(frame.resolve()))["milliseconds"])

    def _ask(self, **request: object) -> dict[str, Any]:
        return self._process.ask(json.dumps(request))


def image_auroc(bad: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Area under the ROC curve over images, by scikit-learn."""
    return float(roc_auc_score(bad, scores))
