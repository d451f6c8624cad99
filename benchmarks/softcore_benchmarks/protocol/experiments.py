"""Experiments: a category with all that its cells share, and how a run loads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_export.settings import ExportSettings
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.baselines import cflow
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_benchmarks.protocol.methods import Images
from softcore_benchmarks.protocol.noise import draw_noise

__all__ = ["Experiment", "ExperimentLoader", "RunSettings"]


@dataclass(frozen=True, eq=False)
class Experiment:
    """A category with all that its cells share.

    Attributes:
        category: names and paths.
        train: good training images.
        test: test images.
        masks: bool `[M, crop, crop]`; None without masks.
        settings: how to train, without noise and method.
        backbone: the network, as the reference of times.
        cflow: settings of CFLOW.
        described: the settings in words, see `Cell.settings`.
    """

    category: Category
    train: Images
    test: Images
    masks: NDArray[np.bool_] | None
    settings: ExportSettings
    backbone: OnnxBackbone
    cflow: cflow.Environment
    described: dict[str, str]

    def add_noise(self, noise: float) -> tuple[Images, NDArray[np.int64]]:
        """Add the seed's draw of defects to the training images; return all and the defects' test rows.

        Raises:
            DataError: there are not enough defects.
        """
        category, seed = self.category, self.settings.seed
        rows = draw_noise(category.test, category.defects, len(self.train), noise, seed)
        return self.train.join(self.test.select(rows)), rows

    def with_seed(self, seed: int) -> Experiment:
        """Return this experiment with another draw of the defects, the coreset and the dimensions."""
        settings = self.settings.model_copy(update={"seed": seed})
        return replace(self, settings=settings, described=self.described | {"seed": str(seed)})


@dataclass(frozen=True)
class RunSettings:
    """What all cells of a run have in common.

    Attributes:
        backbone: a network of torchvision.
        weights: its state dict; None takes torchvision's own.
        resnet18_weights: of PaDiM*, where `backbone` is another.
        preprocessing: how a frame becomes a crop.
        tau: share of patches that is left out.
        lof_k: neighbours of LOF.
        anomalib_python: the interpreter that has anomalib.
        cflow_steps: training steps of CFLOW.
    """

    backbone: str
    weights: Path | None
    resnet18_weights: Path | None
    preprocessing: Preprocessing
    tau: float
    lof_k: int
    anomalib_python: Path
    cflow_steps: int


class ExperimentLoader:
    """The categories of a run, loaded one at a time: the features of all would not fit into memory.

    Args:
        categories: in the order of the tables.
        ratios: coreset ratios by category; 0.1 for those that aren't named.
        run: the settings.
        work: folder for networks and features, which can be deleted afterwards.
    """

    def __init__(
        self, categories: Sequence[Category], ratios: Mapping[str, float], run: RunSettings, work: Path
    ) -> None:
        self.categories = categories
        self._ratios = ratios
        self._run = run
        self._work = work
        self._networks: tuple[Network, Network] | None = None

    def load(self, category: Category) -> Experiment:
        """Load a category's features, or compute them; the seed is the protocol's, 0."""
        run = self._run
        if self._networks is None:
            self._networks = self._load_networks()
        main, star = self._networks
        found = load_features(category, main, self._work / "features")
        other = found if star is main else load_features(category, star, self._work / "features")
        ratio = self._ratios.get(category.name, 0.1)
        settings = ExportSettings(
            backbone=run.backbone,
            weights=run.weights,
            tau=run.tau,
            lof_k=run.lof_k,
            coreset_ratio=ratio,
            preprocessing=main.preprocessing,
            device="cpu",
        )
        masks = None
        if category.has_masks:
            masks = np.stack([category.read_mask(path, main.preprocessing) for path in category.test])
        return Experiment(
            category=category,
            train=Images(found.train, other.train, found.train_crops),
            test=Images(found.test, other.test, found.test_crops),
            masks=masks,
            settings=settings,
            backbone=main.backbone,
            cflow=cflow.Environment(run.anomalib_python, run.backbone, run.weights, steps=run.cflow_steps),
            described={
                "backbone": f"{run.backbone} {main.key}",
                "training images": str(len(category.train)),
                "coreset ratio": f"{ratio:g}",
                "tau": f"{run.tau:g}",
                "k": str(run.lof_k),
                "seed": str(settings.seed),
            },
        )

    def _load_networks(self) -> tuple[Network, Network]:
        """Load the run's network, and the one of PaDiM*."""
        run, folder = self._run, self._work / "networks"
        main = Network.load(run.backbone, run.weights, run.preprocessing, folder)
        if run.backbone == "resnet18":
            return main, main
        return main, Network.load("resnet18", run.resnet18_weights, run.preprocessing, folder)
