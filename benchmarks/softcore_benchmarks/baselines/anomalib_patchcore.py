"""anomalib's PatchCore beside SoftCore: the same images, weights, layers, crop and coreset ratio.

All other settings are anomalib's defaults. It runs in its own environment and process
(`anomalib_process.py`), which is idle between two requests, so that rounds of different systems can be timed
in turn on the same cores:

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
from softcore_runtime.errors import SoftCoreError
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.baselines.anomalib_process import PYTHON, AnomalibProcess
from softcore_benchmarks.measuring.metrics import choose_thresholds

__all__ = [
    "FORMS",
    "Agreement",
    "AnomalibPatchcore",
    "AnomalibPatchcoreError",
    "Fitted",
    "Form",
    "PatchcoreSettings",
    "Timing",
]

Form = Literal["torch", "onnx", "openvino", "openvino-f32"]
FORMS: tuple[Form, ...] = get_args(Form)
_WORKER = Path(__file__).with_name("anomalib_patchcore_worker.py")
_THRESHOLDS = 20


class AnomalibPatchcoreError(SoftCoreError):
    """anomalib failed."""


@dataclass(frozen=True)
class PatchcoreSettings:
    """Settings of anomalib's PatchCore.

    Attributes:
        weights: the backbone's state dict under torchvision's names, at least to the last of the layers.
        backbone: a name that torchvision and timm share.
        layers: whose features are in the memory bank.
        coreset_ratio: share of the patches in the memory bank.
        neighbours: number of neighbours that weight an image's score; None is anomalib's default, 1 no
            weight.
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
    """Results of training and exporting.

    Attributes:
        entries: of the memory bank.
        neighbours: number of neighbours that weight an image's score.
        precision: of the form `openvino` on this machine: `bf16`, `f16` or `f32`.
        seconds: of the stages `features`, `coreset`, `onnx` and `openvino`; reading images is in none.
        peak_mb: peak memory of the process so far, megabytes.
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
    """Agreement of an exported form with the torch form.

    Attributes:
        relative: largest difference of a score, relative to torch's.
        flips: number of images that are decided otherwise, at each of 20 thresholds. The thresholds lie
            midway between two of torch's scores that follow each other (`choose_thresholds`).
        images: number of images.
    """

    relative: float
    flips: tuple[int, ...]
    images: int

    @classmethod
    def between(cls, torch: NDArray[np.float64], exported: NDArray[np.float64]) -> Agreement:
        """Compare the scores `[n]` of the same two or more images."""
        thresholds = choose_thresholds(torch, _THRESHOLDS)
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
        """Number of its process."""
        return self._process.pid

    def fit(self, crops: NDArray[np.uint8], settings: PatchcoreSettings) -> Fitted:
        """Train on uint8 BGR `[n, crop, crop, 3]` and export to every form, in place of an earlier training.

        Raises:
            AnomalibPatchcoreError: anomalib failed; its last line is in the message. All methods raise it.
        """
        told = asdict(settings)
        told |= told.pop("preprocessing").model_dump() | {"weights": str(settings.weights.resolve())}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "crops.npy"
            np.save(path, crops)
            answer = self._request(do="fit", crops=str(path), settings=told)
        return Fitted(**{name: answer[name] for name in Fitted.__dataclass_fields__})

    def scores(self, form: Form, images: Sequence[Path]) -> NDArray[np.float64]:
        """Score whole images, `[n]`."""
        answer = self._request(do="scores", form=form, images=[str(path.resolve()) for path in images])
        return np.array(answer["scores"], np.float64)

    def time(self, form: Form, frame: Path) -> Timing:
        """Inspect a frame once: resize, crop, network and search, not reading the file."""
        answer = self._request(do="time", form=form, image=str(frame.resolve()))
        return Timing(answer["milliseconds"], answer["score"])

    def bare(self, form: Form, frame: Path) -> float:
        """Run the backbone alone, to its last layer, on a frame's crop by the form's engine: milliseconds."""
        return float(self._request(do="bare", form=form, image=str(frame.resolve()))["milliseconds"])

    def _request(self, **request: object) -> dict[str, Any]:
        return self._process.request(json.dumps(request))
