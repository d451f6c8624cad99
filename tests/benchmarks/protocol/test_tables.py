from __future__ import annotations

import numpy as np
import pytest
from softcore_benchmarks.protocol.cells import Cell, Figures
from softcore_benchmarks.protocol.methods import METHODS
from softcore_benchmarks.protocol.noise import SCENARIOS
from softcore_benchmarks.protocol.tables import ROWS, Table, average_seeds, list_figures, list_tables


def make(
    category: str, noise: float, method: str, image: float, pixel: float | None = 0.9, seed: int = 0
) -> Cell:
    """A cell whose figure without overlap is 0.1 above that with."""
    figures = {
        row: {
            scenario: Figures(image_auroc=image + place / 100 + add, pixel_auroc=pixel, aupro=pixel)
            for scenario, add in zip(SCENARIOS, (0.1, 0.0), strict=True)
        }
        for place, row in enumerate(METHODS[method].rows)
    }
    return Cell(
        category=category,
        noise=noise,
        method=method,
        seed=seed,
        settings={"backbone": "resnet18 0123", "k": "6"},
        trained_on=100 + round(100 * noise),
        defects=round(100 * noise),
        tested_on=(41, 119),
        figures=figures,
        fit_seconds=12,
        score_seconds=0.05,
        backbone_seconds=0.02,
    )


@pytest.fixture
def cells() -> list[Cell]:
    made = []
    for category, pixel in (("pill", None), ("tile", 0.9)):
        for noise in (0.0, 0.1):
            for method in METHODS:
                if "cflow" not in method:
                    image = 0.7 - noise + 0.02 * (category == "tile")
                    made.append(make(category, noise, method, image, pixel))
    return made


def tabulate(cells: list[Cell]) -> list[Table]:
    return list_tables(average_seeds(list_figures(cells), [0]), 0.1)


def find(tables: list[Table], name: str) -> Table:
    return next(table for table in tables if table.name == name)


def test_all_tables_of_the_paper_are_there(cells: list[Cell]) -> None:
    numbers = {table.name.split("-")[0] for table in tabulate(cells)}
    assert {"1", "2", "3", "4", "5", "6", "7", "8"} <= numbers


def test_image_level(cells: list[Cell]) -> None:
    tables = tabulate(cells)
    clean, overlap, without = (find(tables, f"1-{name}").frame for name in ("clean", "overlap", "no-overlap"))
    assert list(clean.columns) == ["method", "pill", "tile", "average"]
    assert list(clean["method"]) == list(ROWS)
    row = clean.set_index("method").loc["PatchCore"]
    assert row.tolist() == pytest.approx([0.7, 0.72, 0.71])
    row = overlap.set_index("method").loc["PatchCore"]
    assert row.tolist() == pytest.approx([0.6, 0.62, 0.61, -0.1])
    row = without.set_index("method").loc["PatchCore"]
    assert row.tolist() == pytest.approx([0.7, 0.72, 0.71, 0.0])
    assert overlap.set_index("method").loc["CFLOW"].isna().all()
    assert overlap.set_index("method").loc["SoftCore-lof", "pill"] == pytest.approx(0.61)


def test_an_average_needs_every_category(cells: list[Cell]) -> None:
    some = [cell for cell in cells if not (cell.category == "tile" and cell.method == "padim")]
    frame = find(tabulate(some), "1-overlap").frame.set_index("method")
    assert frame.loc["PaDiM", "pill"] == pytest.approx(0.6)
    assert np.isnan(frame.loc["PaDiM", "average"])
    assert np.isnan(frame.loc["PaDiM", "gap to clean"])


def test_pixel_level_is_of_the_categories_with_masks(cells: list[Cell]) -> None:
    table = find(tabulate(cells), "2-pixel")
    assert table.title.endswith("average over tile")
    more = [*cells, *(make("mvtec_pill", noise, "patchcore", 0.6, 0.7) for noise in (0.0, 0.1))]
    two = find(tabulate(more), "2-pixel").frame.set_index("method")
    assert two.loc["PatchCore", "AUPRO, overlap"] == pytest.approx(0.8)
    assert np.isnan(two.loc["PaDiM", "AUPRO, overlap"])  # it has a figure of one of the two
    row = table.frame.set_index("method").loc["PatchCore"]
    assert row["pixel AUROC, overlap"] == pytest.approx(0.9)
    assert row["AUPRO, overlap, gap"] == pytest.approx(0)


def test_ablation_neighbours_and_denoising(cells: list[Cell]) -> None:
    tables = tabulate(cells)
    ablation = find(tables, "3-ablation").frame
    assert list(ablation["discriminator"]) == ["none", *("nearest", "gaussian", "lof") * 2, "auto", "auto"]
    assert list(ablation["soft weights"]) == ["no"] * 4 + ["yes"] * 3 + ["no"] * 2
    assert list(ablation["floors"]) == ["no"] * 8 + ["yes"]
    assert ablation["pill, overlap"].tolist() == pytest.approx([0.6] * 4 + [0.61] * 3 + [0.6] * 2)
    neighbours = find(tables, "4-neighbours").frame
    assert list(neighbours["k"]) == [3, 4, 5, 6, 7, 8, 9]
    assert neighbours["tile, no overlap"].tolist() == pytest.approx([0.73] * 7)
    denoising = find(tables, "6-denoising").frame.set_index("method")
    assert denoising.loc["PaDiM*-denoised PatchCore", "pill, overlap"] == pytest.approx(0.6)
    assert list(find(tables, "7-denoising").frame.columns) == ["method", "tile, no overlap", "tile, overlap"]


def test_times_are_also_multiples_of_the_networks(cells: list[Cell]) -> None:
    frame = find(tabulate(cells), "8-times").frame
    row = frame[(frame["method"] == "PatchCore") & (frame["category"] == "pill")].iloc[0]
    assert row["training, s"] == pytest.approx(12 + 110 * 0.02)
    assert row["training / network"] == pytest.approx(1 + 12 / (110 * 0.02))
    assert row["inference, ms an image"] == pytest.approx(70)
    assert row["inference / network"] == pytest.approx(3.5)


def test_every_noise_has_a_column(cells: list[Cell]) -> None:
    frame = find(tabulate(cells), "all-noises-tile-overlap").frame.set_index("method")
    assert list(frame.columns) == ["noise 0", "noise 0.1"]
    assert frame.loc["PatchCore"].tolist() == pytest.approx([0.72, 0.62])


def test_figures_are_one_line_each(cells: list[Cell]) -> None:
    frame = list_figures(cells[:1])
    assert len(frame) == 2
    assert set(frame["scenario"]) == set(SCENARIOS)


def test_the_default_is_in_the_tables(cells: list[Cell]) -> None:
    tables = tabulate(cells)
    for name in ("1-clean", "2-pixel", "5-overlap", "6-denoising", "7-denoising", "all-noises-pill-overlap"):
        assert find(tables, name).frame.set_index("method").loc["SoftCore-auto"].notna().any()
    assert "SoftCore-auto" in find(tables, "8-times").frame["method"].tolist()


def test_a_figure_is_the_mean_over_all_seeds_or_missing() -> None:
    cells = [make("pill", 0.0, "patchcore", image, seed=seed) for seed, image in enumerate((0.5, 0.7, 0.9))]
    cells.append(make("pill", 0.0, "padim", 0.8))
    figures = list_figures(cells)
    means = average_seeds(figures, [0, 2])
    assert set(means["row"]) == {"PatchCore"}
    assert means[means["scenario"] == "overlap"]["image_auroc"].tolist() == pytest.approx([0.7])
    assert set(average_seeds(figures, [0])["row"]) == {"PatchCore", "PaDiM"}
