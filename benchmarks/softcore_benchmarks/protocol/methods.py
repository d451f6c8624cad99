"""Methods: the rows of the paper's tables, each computed from the same features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_export.settings import ExportSettings
from softcore_export.train import fit
from softcore_runtime.cli.progress import hide_bars
from softcore_runtime.inspection.anomaly_map import draw_map
from softcore_runtime.search.exhaustive import ExhaustiveSearch

from softcore_benchmarks.baselines import cflow
from softcore_benchmarks.baselines.padim import Padim

__all__ = [
    "LOF_KS",
    "METHODS",
    "PADIM_STAR",
    "SWEEPS",
    "TAUS",
    "Images",
    "Method",
    "Scores",
    "Task",
]

LOF_KS = (3, 4, 5, 6, 7, 8, 9)
SWEEPS = ("lof-k-", "lof-tau-")  # beginnings of names of methods that vary one setting, at one noise only
TAUS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
PADIM_STAR = "PaDiM*"  # always with ResNet-18


@dataclass(frozen=True, eq=False)
class Images:
    """Inputs of a method: n images.

    Attributes:
        features: float32 `[n, P, d]`, of the run's backbone.
        resnet18: float32 `[n, P, d']`, of ResNet-18; the same array if that is the run's backbone.
        crops: uint8 BGR `[n, crop, crop, 3]`.
    """

    features: NDArray[np.float32]
    resnet18: NDArray[np.float32]
    crops: NDArray[np.uint8]

    def select(self, rows: NDArray[np.int64]) -> Images:
        """Return copies of some of them."""
        features = self.features[rows]
        same = self.resnet18 is self.features
        return Images(features, features if same else self.resnet18[rows], self.crops[rows])

    def join(self, others: Images) -> Images:
        """Return these images followed by others."""
        features = np.concatenate([self.features, others.features])
        same = self.resnet18 is self.features
        resnet18 = features if same else np.concatenate([self.resnet18, others.resnet18])
        return Images(features, resnet18, np.concatenate([self.crops, others.crops]))

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, eq=False)
class Task:
    """Training images and how to train on them.

    Attributes:
        train: training images, with defects.
        settings: coreset ratio, tau, k and seed; a method overrides those that define it.
        cflow: settings of CFLOW.
    """

    train: Images
    settings: ExportSettings
    cflow: cflow.Environment

    @property
    def crop(self) -> int:
        """Side of a crop in pixels."""
        return int(self.train.crops.shape[1])


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a row.

    Attributes:
        images: float32 `[M]`, higher for defects.
        draw_maps: returns the anomaly maps, float32 `[M, crop, crop]`, which only pixel-level figures need.
    """

    images: NDArray[np.float32]
    draw_maps: Callable[[], NDArray[np.float32]]


Scorer = Callable[[Images], dict[str, Scores]]


@dataclass(frozen=True)
class Method:
    """A training and the rows of the tables that it gives.

    Attributes:
        rows: names in the tables.
        fit: trains on a task and returns a function that scores test images, by row.
        needs_cflow: whether it needs CFLOW's environment.
    """

    rows: tuple[str, ...]
    fit: Callable[[Task], Scorer]
    needs_cflow: bool = False


def _fit_bank(task: Task, rows: tuple[str, ...], **settings: object) -> Scorer:
    """Fit SoftCore, or PatchCore with discriminator `none`; the rows are without soft weights, then with.

    With floors the distance to an entry is at least the entry's floor, and there are no soft weights.
    """
    chosen = ExportSettings.model_validate(task.settings.model_dump() | settings)
    positions, dim = task.train.features.shape[1:]
    side = round(positions**0.5)
    with hide_bars():
        learned = fit(task.train.features, (side, side), chosen, torch.device("cpu"))

    def score(test: Images) -> dict[str, Scores]:
        search = ExhaustiveSearch(learned.bank, learned.floors)
        entries, distances = search.nearest(test.features.reshape(-1, dim))
        plain = distances.astype(np.float32).reshape(len(test), positions)
        soft = learned.weights[entries].reshape(plain.shape) * plain
        return {
            row: Scores(patches.max(axis=1), partial(_draw_maps, patches, task.crop))
            for row, patches in zip(rows, (plain, soft), strict=False)
        }

    return score


def _bank(*rows: str, **settings: object) -> Method:
    return Method(rows, lambda task: _fit_bank(task, rows, **settings))


def _fit_padim(row: str, train: NDArray[np.float32], crop: int, star: bool) -> Scorer:
    """Fit PaDiM; its image score is the maximum of the smoothed map, as in the authors' code."""
    learned = Padim.fit(train)

    def score(test: Images) -> dict[str, Scores]:
        maps = _draw_maps(learned.score(test.resnet18 if star else test.features), crop)
        return {row: Scores(maps.max(axis=(1, 2)), lambda: maps)}

    return score


def _padim(row: str, star: bool) -> Method:
    return Method(
        (row,),
        lambda task: _fit_padim(row, task.train.resnet18 if star else task.train.features, task.crop, star),
    )


def _fit_cflow(task: Task, row: str) -> Scorer:
    learned = cflow.Cflow.fit(task.cflow, task.train.crops, task.settings.seed)

    def score(test: Images) -> dict[str, Scores]:
        maps = learned.score(test.crops)
        return {row: Scores(maps.max(axis=(1, 2)), lambda: maps)}

    return score


def _denoised(method: Method, row: str) -> Method:
    """Precede a method by image-level denoising: leave out the share tau that PaDiM* scores highest."""

    def fit_rest(task: Task) -> Scorer:
        padim = _fit_padim(PADIM_STAR, task.train.resnet18, task.crop, star=True)
        scores = padim(task.train)[PADIM_STAR].images
        keep = len(scores) - int(task.settings.tau * len(scores))
        rest = np.sort(np.argsort(scores, kind="stable")[:keep])
        learned = method.fit(Task(task.train.select(rest), task.settings, task.cflow))
        return lambda test: {row: next(iter(learned(test).values()))}

    return Method((row,), fit_rest, method.needs_cflow)


def _draw_maps(patches: NDArray[np.float32], crop: int) -> NDArray[np.float32]:
    """Return the anomaly maps `[M, crop, crop]` of patch scores `[M, P]`."""
    side = round(patches.shape[1] ** 0.5)
    return np.stack([draw_map(image.reshape(side, side), (crop, crop)) for image in patches])


def _softcore(name: str, **settings: object) -> Method:
    return _bank(f"{name}, no weights", name, **settings)


_PATCHCORE = _bank("PatchCore", discriminator="none")
_PADIM = _padim("PaDiM", star=False)
_CFLOW = Method(("CFLOW",), lambda task: _fit_cflow(task, "CFLOW"), needs_cflow=True)

METHODS: dict[str, Method] = {
    "patchcore": _PATCHCORE,
    "patchcore-random": _bank(
        "PatchCore-1 %-random", discriminator="none", sampler="random", coreset_ratio=0.01
    ),
    "padim": _PADIM,
    "padim-star": _padim(PADIM_STAR, star=True),
    "padim-star-denoised-padim": _denoised(_PADIM, "PaDiM*-denoised PaDiM"),
    "padim-star-denoised-patchcore": _denoised(_PATCHCORE, "PaDiM*-denoised PatchCore"),
    "softcore-auto": _bank("SoftCore-auto", discriminator="auto"),
    "softcore-auto-no-floors": _bank("SoftCore-auto, no floors", discriminator="auto", floor=0.0),
    "softcore-nearest": _softcore("SoftCore-nearest", discriminator="nearest"),
    "softcore-gaussian": _softcore("SoftCore-gaussian", discriminator="gaussian"),
    "softcore-lof": _softcore("SoftCore-lof", discriminator="lof"),
    **{f"lof-k-{k}": _softcore(f"LOF, k = {k}", discriminator="lof", lof_k=k) for k in LOF_KS},
    **{f"lof-tau-{tau}": _softcore(f"LOF, tau = {tau}", discriminator="lof", tau=tau) for tau in TAUS},
    "cflow": _CFLOW,
    "padim-star-denoised-cflow": _denoised(_CFLOW, "PaDiM*-denoised CFLOW"),
}
