"""CFLOW: Gudovskiy et al., WACV 2022, by anomalib, in an environment of its own.

anomalib needs versions of the libraries that are not ours, so it is installed apart (`make cflow`) and
started as a process; arrays go to and fro as files.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import SoftCoreError

__all__ = ["Cflow", "CflowError", "Environment"]

_WORKER = Path(__file__).with_name("cflow_worker.py")


class CflowError(SoftCoreError):
    """anomalib failed."""


@dataclass(frozen=True)
class Environment:
    """How CFLOW is run.

    Attributes:
        python: the interpreter that has anomalib.
        backbone: a name that torchvision and timm share.
        weights: a state dict under torchvision's names; None takes timm's own.
        layers: whose features are modelled, each by a flow.
        steps: of training; its authors' 50 epochs are 15 to 60 times as many, hours without a GPU.
        fiber_batch: positions a training step.
    """

    python: Path
    backbone: str
    weights: Path | None
    layers: tuple[str, ...] = ("layer2", "layer3")
    steps: int = 1000
    fiber_batch: int = 256

    @property
    def there(self) -> bool:
        """Whether it has been set up."""
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
            CflowError: anomalib failed; its last words are in the message.
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
    _worker(environment.python).do(path)


class _Worker:
    """A running `cflow_worker.py`: importing anomalib takes longer than many a job."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._words: deque[str] = deque(maxlen=20)  # the last of what it prints
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr  # noqa: S101
        self._words.extend(self._process.stderr)

    @property
    def alive(self) -> bool:
        """Whether it can take another job."""
        return self._process.poll() is None

    def do(self, job: Path) -> None:
        assert self._process.stdin  # noqa: S101
        assert self._process.stdout  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{job}\n")
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._listener.join()
            words = [line.strip() for line in self._words if line.strip()]
            raise CflowError(f"CFLOW's process ended: {words[-1] if words else 'without a word'}")
        error = json.loads(answer)["error"]
        if error:
            raise CflowError(f"CFLOW failed: {error}")


_running: dict[Path, _Worker] = {}


def _worker(python: Path) -> _Worker:
    if python not in _running or not _running[python].alive:
        _running[python] = _Worker(python)
    return _running[python]
