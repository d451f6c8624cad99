"""CFLOW: Gudovskiy et al., WACV 2022, by anomalib, in an environment of its own.

It runs as a process (`anomalib_process.py`); arrays are exchanged as files.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import SoftCoreError

from softcore_benchmarks.baselines.anomalib_process import AnomalibProcess

__all__ = ["Cflow", "CflowError", "Environment"]

_WORKER = Path(__file__).with_name("cflow_worker.py")


class CflowError(SoftCoreError):
    """anomalib failed."""


@dataclass(frozen=True)
class Environment:
    """Settings of CFLOW.

    Attributes:
        python: the interpreter that has anomalib.
        backbone: a name that torchvision and timm share.
        weights: a state dict under torchvision's names; None takes timm's own.
        layers: whose features are modelled, each by a flow.
        steps: number of training steps; its authors' 50 epochs are 15 to 60 times as many, hours without a
            GPU.
        fiber_batch: number of positions in a training step.
    """

    python: Path
    backbone: str
    weights: Path | None
    layers: tuple[str, ...] = ("layer2", "layer3")
    steps: int = 1000
    fiber_batch: int = 256

    @property
    def exists(self) -> bool:
        """Whether the environment is set up."""
        return self.python.is_file()


@dataclass(frozen=True, eq=False)
class Cflow:
    """Trained flows, as anomalib's state dict."""

    environment: Environment
    state: bytes
    seed: int

    @classmethod
    def fit(cls, environment: Environment, crops: NDArray[np.uint8], seed: int) -> Cflow:
        """Train on uint8 BGR `[n, crop, crop, 3]`.

        Raises:
            CflowError: anomalib failed; its last line is in the message.
        """
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            _run(environment, Path(folder), crops, state, None, seed)
            return cls(environment, state.read_bytes(), seed)

    def score(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Draw anomaly maps float32 `[n, crop, crop]`; they are relative to the most likely patch of all.

        Raises:
            CflowError: anomalib failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            state, maps = Path(folder) / "state", Path(folder) / "maps.npy"
            state.write_bytes(self.state)
            _run(self.environment, Path(folder), crops, state, maps, self.seed)
            return np.asarray(np.load(maps), np.float32)


def _run(
    environment: Environment,
    folder: Path,
    crops: NDArray[np.uint8],
    state: Path,
    maps: Path | None,
    seed: int,
) -> None:
    np.save(folder / "crops.npy", crops)
    job = {
        "crops": str(folder / "crops.npy"),
        "state": str(state),
        "maps": str(maps) if maps else None,
        "backbone": environment.backbone,
        "layers": environment.layers,
        "weights": str(environment.weights.resolve()) if environment.weights else None,
        "fiber_batch": environment.fiber_batch,
        "steps": environment.steps,
        "seed": seed,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    _worker(environment.python).request(str(path))


_running: dict[Path, AnomalibProcess] = {}


def _worker(python: Path) -> AnomalibProcess:
    if python not in _running or not _running[python].alive:
        _running[python] = AnomalibProcess(python, _WORKER, "CFLOW", CflowError)
    return _running[python]
