from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from softcore_benchmarks.protocol.cells import Cell
from softcore_benchmarks.protocol.experiments import Experiment
from softcore_benchmarks.protocol.figures import draw_figures, embed_coresets, plot_embedding
from softcore_benchmarks.protocol.methods import METHODS, TAUS
from softcore_benchmarks.protocol.tables import average_seeds, list_figures

from .test_tables import make


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image)


def shows(path: Path, colour: str) -> bool:
    """Whether a line or a dot of this colour (#rrggbb) is in the image."""
    rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    return bool((abs(read(path)[:, :, ::-1].astype(int) - rgb).max(axis=2) < 12).sum() > 20)


def lay(cells: list[Cell]) -> pd.DataFrame:
    return average_seeds(list_figures(cells), [0])


def some_cells(methods: list[str]) -> list[Cell]:
    return [make("tile", noise, method, 0.8 - noise) for noise in (0.0, 0.1, 0.4) for method in methods]


def test_each_line_is_drawn(tmp_path: Path) -> None:
    made = draw_figures(lay(some_cells(["patchcore", "softcore-lof", "softcore-auto"])), 0.1, tmp_path)
    assert [path.name for _, path in made] == ["figure-3.png", "figure-6.png", "figure-7.png"]
    for _, path in made:
        assert shows(path, "#d55e00")  # SoftCore-lof
        assert shows(path, "#0072b2")  # SoftCore-auto
        assert not shows(path, "#009e73")  # SoftCore-gaussian has no cell


def test_tau_has_a_figure_of_its_own(tmp_path: Path) -> None:
    made = draw_figures(lay(some_cells([f"lof-tau-{tau}" for tau in TAUS])), 0.1, tmp_path)
    assert [path.name for _, path in made] == ["figure-4.png"]
    assert shows(made[0][1], "#d55e00")


def test_without_masks_there_is_no_pixel_figure(tmp_path: Path) -> None:
    cells = [make("pill", noise, "patchcore", 0.8, pixel=None) for noise in (0.0, 0.1)]
    assert len(draw_figures(lay(cells), 0.1, tmp_path)) == 2


def test_panels_are_laid_in_rows_and_many_categories_share_one(tmp_path: Path) -> None:
    shapes = []
    for n in (3, 5, 7):
        cells = [
            make(f"c{number}", noise, "patchcore", 0.8, None) for number in range(n) for noise in (0.0, 0.1)
        ]
        shapes.append(read(draw_figures(lay(cells), 0.1, tmp_path)[0][1]).shape)
    three, five, seven = shapes
    assert five[1] == three[1]
    assert five[0] > 1.5 * three[0]
    assert seven[1] < three[1] / 2


def test_entries_out_of_defects_are_coloured(experiment: Experiment, tmp_path: Path) -> None:
    embedding = embed_coresets(experiment, 0.2, [("PatchCore", "none"), ("SoftCore-lof", "lof")])
    for row, noisy in embedding.noisy.items():
        assert embedding.points[row].shape == (len(noisy), 2)
        assert np.isfinite(embedding.points[row]).all()
    # 3 images of 64 patches; a spot covers few of each.
    train, drawn = experiment.add_noise(0.2)
    assert experiment.masks is not None
    under = sum(experiment.masks[row].reshape(8, 8, 8, 8).any(axis=(1, 3)).sum() for row in drawn)
    assert 0 < embedding.noisy["PatchCore"].sum() <= under < 3 * 64
    assert embedding.noisy["SoftCore-lof"].sum() < embedding.noisy["PatchCore"].sum()
    plot_embedding(embedding, "stripes", tmp_path / "tsne.png")
    assert shows(tmp_path / "tsne.png", "#d62728")
    assert len(train) == 17


def test_the_sweeps_have_methods() -> None:
    assert {f"lof-tau-{tau}" for tau in TAUS} <= set(METHODS)
