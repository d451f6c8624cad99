"""Figures: the paper's plots, from finished cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from softcore_export.train import fit
from softcore_runtime.cli.progress import hide_bars

from softcore_benchmarks.protocol.experiments import Experiment
from softcore_benchmarks.protocol.methods import TAUS

__all__ = ["Embedding", "draw_figures", "embed_coresets", "plot_embedding"]

_MOST_PANELS = 6  # with more categories, their average
_COLUMNS = 3  # of panels
_LINES = {
    # row: colour (safe for colour-blind readers), marker
    "PatchCore": ("#4d4d4d", "o"),
    "PaDiM": ("#b3b3b3", "s"),
    "CFLOW": ("#8c6bb1", "D"),
    "PaDiM*-denoised PatchCore": ("#e69f00", "^"),
    "SoftCore-nearest": ("#56b4e9", "v"),
    "SoftCore-gaussian": ("#009e73", "P"),
    "SoftCore-lof": ("#d55e00", "*"),
    "SoftCore-auto": ("#0072b2", "X"),
}
_SHOWN = 2000  # entries of a coreset in the embedding
_STYLE: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "savefig.dpi": 130,
}


@dataclass(frozen=True, eq=False)
class Embedding:
    """Coresets of the same training images with noise, in the plane.

    Attributes:
        points: float32 `[n, 2]`, by row.
        noisy: bool `[n]`, by row: whether the entry shows a defect.
    """

    points: dict[str, NDArray[np.float32]]
    noisy: dict[str, NDArray[np.bool_]]


def draw_figures(figures: pd.DataFrame, noise: float, folder: Path) -> list[tuple[str, Path]]:
    """Draw the figures that there are data for; return titles and files."""
    made = []
    for old in folder.glob("figure-[3467].png"):
        old.unlink()
    with mpl.rc_context(_STYLE):
        for number, scenario, value, name in (
            (3, "overlap", "image_auroc", "Image AUROC"),
            (6, "no overlap", "image_auroc", "Image AUROC"),
            (7, "overlap", "pixel_auroc", "Pixel AUROC"),
        ):
            figure = _plot_by_noise(figures, scenario, value, name)
            if figure:
                title = f"Figure {number}: {name} against noise, {scenario}"
                made.append((title, _save(figure, folder / f"figure-{number}.png")))
        figure = _plot_by_tau(figures, noise)
        if figure:
            title = f"Figure 4: Image AUROC of SoftCore-lof against tau, noise {noise:g}"
            made.insert(1, (title, _save(figure, folder / "figure-4.png")))
    return made


def embed_coresets(experiment: Experiment, noise: float, rows: Iterable[tuple[str, str]]) -> Embedding:
    """Embed coresets in the plane by one t-SNE (van der Maaten and Hinton, 2008).

    Args:
        experiment: a category.
        noise: defects in training.
        rows: names and discriminators.
    """
    train, drawn = experiment.add_noise(noise)
    side = round(train.features.shape[1] ** 0.5)
    noisy_cells = _noisy_cells(experiment, drawn, side)
    rng = np.random.default_rng(0)
    banks, noisy = [], {}
    for row, discriminator in rows:
        settings = experiment.settings.model_copy(update={"discriminator": discriminator})
        with hide_bars():
            learned = fit(train.features, (side, side), settings, torch.device("cpu"))
        some = np.sort(rng.permutation(len(learned.bank))[:_SHOWN])
        image, at_row, at_column = learned.origins[some].T
        banks.append(learned.bank[some])
        noisy[row] = noisy_cells[image, at_row * side + at_column]
    plane = TSNE(init="pca", random_state=0).fit_transform(np.concatenate(banks))
    parts = np.split(plane, np.cumsum([len(bank) for bank in banks])[:-1])
    return Embedding(dict(zip(noisy, parts, strict=True)), noisy)


def plot_embedding(embedding: Embedding, caption: str, file: Path) -> None:
    """Draw one panel for each coreset, entries that show defects on top in red."""
    with mpl.rc_context(_STYLE):
        figure, panels = plt.subplots(
            1, len(embedding.points), figsize=(9, 4.4), sharex=True, sharey=True, layout="constrained"
        )
        for panel, (row, points) in zip(np.atleast_1d(panels), embedding.points.items(), strict=True):
            noisy = embedding.noisy[row]
            panel.scatter(*points[~noisy].T, s=3, c="#bdbdbd", linewidths=0, label="of good parts")
            panel.scatter(*points[noisy].T, s=9, c="#d62728", linewidths=0, label="of defects")
            panel.set_title(f"{row}: {int(noisy.sum())} of {len(noisy)} entries are of defects")
            panel.set_xticks([])
            panel.set_yticks([])
        panel.legend(markerscale=3, frameon=False, loc="lower right")
        figure.suptitle(caption, fontsize=9)
        _save(figure, file)


def _noisy_cells(experiment: Experiment, drawn: NDArray[np.int64], side: int) -> NDArray[np.bool_]:
    """Return which training patches show a defect: those under its mask; without masks, all of its image."""
    cells = np.zeros((len(experiment.train) + len(drawn), side * side), np.bool_)
    for place, row in enumerate(drawn, len(experiment.train)):
        if experiment.masks is None:
            cells[place] = True
        else:
            mask = experiment.masks[row].astype(np.float32)
            cells[place] = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA).ravel() > 0
    return cells


def _plot_by_noise(figures: pd.DataFrame, scenario: str, value: str, name: str) -> Figure | None:
    wanted = figures[(figures["scenario"] == scenario) & figures["row"].isin(list(_LINES))].dropna(
        subset=value
    )
    if wanted["noise"].nunique() < 2:
        return None
    panels = _panels(wanted)
    figure, axes = _subplots(len(panels))
    for axis, (title, part) in zip(axes, panels, strict=True):
        for row, (colour, marker) in _LINES.items():
            line = part[part["row"] == row].groupby("noise")[value].mean()
            if len(line):
                axis.plot(line.index, line, color=colour, marker=marker, markersize=5, label=row)
        axis.set_title(title)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(name)
    figure.supxlabel("defects per good training image", fontsize=9)
    _add_legend(figure, axes)
    return figure


def _plot_by_tau(figures: pd.DataFrame, noise: float) -> Figure | None:
    taus = {f"LOF, tau = {tau}": tau for tau in TAUS}
    wanted = figures[(figures["noise"] == noise) & figures["row"].isin(list(taus))]
    if wanted.empty:
        return None
    panels = _panels(wanted)
    figure, axes = _subplots(len(panels))
    for axis, (title, part) in zip(axes, panels, strict=True):
        for scenario, style in (("overlap", "-"), ("no overlap", "--")):
            found = part[part["scenario"] == scenario].dropna(subset="image_auroc")
            line = found.assign(tau=found["row"].map(taus)).groupby("tau")["image_auroc"].mean()
            axis.plot(line.index, line, style, color="#d55e00", marker="o", markersize=4, label=scenario)
        axis.set_title(title)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("Image AUROC")
    figure.supxlabel("tau: the share of patches that is thrown away", fontsize=9)
    _add_legend(figure, axes)
    return figure


def _panels(figures: pd.DataFrame) -> Sequence[tuple[str, pd.DataFrame]]:
    """Return a panel for each category; if there are many, one for their average."""
    parts = [(str(name), part) for name, part in figures.groupby("category", sort=False)]
    return parts if len(parts) <= _MOST_PANELS else [(f"average of {len(parts)} categories", figures)]


def _subplots(n: int) -> tuple[Figure, list[Axes]]:
    columns, rows = min(n, _COLUMNS), -(-n // _COLUMNS)
    size = (4 * columns + 0.8, 3.4 * rows + 0.8)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for unused in axes.flat[n:]:
        unused.set_visible(False)
    return figure, list(axes.flat[:n])


def _add_legend(figure: Figure, axes: Iterable[Axes]) -> None:
    """Add one legend above the panels; a category may lack some lines."""
    named: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        named |= dict(zip(map(str, labels), handles, strict=True))
    columns = 2 if figure.get_figwidth() < 6 else 4
    figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=columns, frameon=False)


def _save(figure: Figure, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    plt.close(figure)
    return file
