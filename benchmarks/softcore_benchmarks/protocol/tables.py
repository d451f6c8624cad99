"""Tables: the paper's, from finished cells, as data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from softcore_benchmarks.protocol.cells import Cell
from softcore_benchmarks.protocol.methods import LOF_KS, METHODS, SWEEPS
from softcore_benchmarks.protocol.noise import SCENARIOS

__all__ = ["CLEAN", "ROWS", "Table", "average_seeds", "list_figures", "list_tables", "with_index"]

CLEAN = "clean"
AVERAGE = "average"
GAP = "gap to clean"
# The rows of the main tables, in order: the baselines, then ours.
ROWS = tuple(
    row
    for name in ("patchcore", "patchcore-random", "padim", "padim-star", "cflow", *METHODS)
    if not name.startswith(SWEEPS)
    for row in METHODS[name].rows
)
ROWS = tuple(dict.fromkeys(ROWS))
_DENOISED = (
    *("PaDiM", "PaDiM*-denoised PaDiM", "CFLOW", "PaDiM*-denoised CFLOW"),
    *("PatchCore", "PaDiM*-denoised PatchCore", "SoftCore-lof", "SoftCore-auto"),
)
_ABLATION = (
    # row, discriminator, soft weights, floors
    ("PatchCore", "none", "no", "no"),
    *((f"SoftCore-{name}, no weights", name, "no", "no") for name in ("nearest", "gaussian", "lof")),
    *((f"SoftCore-{name}", name, "yes", "no") for name in ("nearest", "gaussian", "lof")),
    ("SoftCore-auto, no floors", "auto", "no", "no"),
    ("SoftCore-auto", "auto", "no", "yes"),
)
_SETTING = ["category", "noise", "method", "row", "scenario"]  # what a figure is of, beside the seed
_ACCURACY = ["image_auroc", "pixel_auroc", "aupro"]


@dataclass(frozen=True, eq=False)
class Table:
    """A table of the paper.

    Attributes:
        name: of its file.
        title: what it shows.
        frame: a column an attribute; figures as floats, NaN where nothing was computed.
    """

    name: str
    title: str
    frame: pd.DataFrame


def list_figures(cells: Iterable[Cell]) -> pd.DataFrame:
    """Return all figures but those by class, one line for each category, noise, row, scenario and seed."""
    lines = [
        {
            "category": cell.category,
            "noise": cell.noise,
            "method": cell.method,
            "row": row,
            "scenario": scenario,
            "seed": cell.seed,
            **figures.model_dump(include=set(_ACCURACY)),
            "trained_on": cell.trained_on,
            "defects": cell.defects,
            "fit_seconds": cell.fit_seconds,
            "score_seconds": cell.score_seconds,
            "backbone_seconds": cell.backbone_seconds,
        }
        for cell in cells
        for row, scenarios in cell.figures.items()
        for scenario, figures in scenarios.items()
    ]
    frame: pd.DataFrame = pd.DataFrame(lines).astype(dict.fromkeys(_ACCURACY, float))
    return frame


def average_seeds(figures: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """Return the means of `list_figures` over seeds; what wasn't computed with each of them is left out."""
    wanted = figures[figures["seed"].isin(seeds)]
    complete = wanted.groupby(_SETTING)["seed"].transform("nunique") == len(set(seeds))
    means: pd.DataFrame = wanted[complete].groupby(_SETTING, sort=False, as_index=False).mean()
    without: pd.DataFrame = means.drop(columns="seed")
    return without


def list_tables(figures: pd.DataFrame, noise: float) -> list[Table]:
    """Return the paper's tables at a noise, and one of all noises for each category.

    Args:
        figures: as `average_seeds` returns them.
        noise: defects as a share of the good training images.
    """
    categories = list(dict.fromkeys(figures["category"]))
    at = f"noise {noise:g}"
    tables = [
        *_by_category(figures, noise, "image_auroc", ROWS, "1", f"Image AUROC, {at}"),
        _pixel_summary(figures, noise, categories),
        _ablation(figures, noise, categories),
        _neighbours(figures, noise, categories),
        *_by_category(figures, noise, "pixel_auroc", ROWS, "5", f"Pixel AUROC, {at}"),
        *_by_category(
            figures, noise, "aupro", ROWS, "5-aupro", f"AUPRO (to a false positive rate of 0.3), {at}"
        ),
        _denoising(
            figures,
            noise,
            "image_auroc",
            "6",
            f"Image-level against patch-level denoising, image AUROC, {at}",
        ),
        _denoising(
            figures,
            noise,
            "pixel_auroc",
            "7",
            f"Image-level against patch-level denoising, pixel AUROC, {at}",
        ),
        _times(figures, noise, categories),
    ]
    for category in categories:
        tables += [
            _by_noise(figures, category, scenario, "image_auroc", "Image AUROC") for scenario in SCENARIOS
        ]
    return tables


def _pick(
    figures: pd.DataFrame, value: str, noise: float, scenario: str, rows: Iterable[str]
) -> pd.DataFrame:
    """Return one figure as a table of rows by categories."""
    wanted = figures[(figures["noise"] == noise) & (figures["scenario"] == scenario)]
    laid: pd.DataFrame = wanted.pivot_table(index="row", columns="category", values=value, dropna=False)
    columns = [name for name in dict.fromkeys(figures["category"]) if name in laid]
    ordered: pd.DataFrame = laid.reindex(index=list(rows), columns=columns)
    return ordered


def _by_category(
    figures: pd.DataFrame, noise: float, value: str, rows: Iterable[str], number: str, title: str
) -> list[Table]:
    clean = _pick(figures, value, 0.0, SCENARIOS[1], rows).dropna(axis="columns", how="all")
    if clean.empty:
        return []
    tables = []
    for scenario in (CLEAN, *SCENARIOS):
        frame = (
            clean if scenario == CLEAN else _pick(figures, value, noise, scenario, rows).reindex_like(clean)
        )
        both = frame.notna() & clean.notna()
        average = _average(frame, list(frame))
        gap = (frame - clean).where(both).mean(axis=1).where(both.all(axis=1))
        frame = frame.assign(**{AVERAGE: average})
        if scenario != CLEAN:
            frame = frame.assign(**{GAP: gap})
        shown = f"{title}, {scenario}" if scenario != CLEAN else title.rsplit(",", 1)[0] + ", clean"
        tables.append(Table(f"{number}-{scenario.replace(' ', '-')}", shown, with_index(frame, "method")))
    return tables


def _average(frame: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Return the mean over columns of each row; NaN where one of them has no figure."""
    there = frame.reindex(columns=columns)
    average: pd.Series = there.mean(axis=1).where(there.notna().all(axis=1))
    return average


def _pixel_summary(figures: pd.DataFrame, noise: float, categories: list[str]) -> Table:
    masked = [
        name for name in categories if figures[figures["category"] == name]["pixel_auroc"].notna().any()
    ]
    columns = {}
    for value, short in (("pixel_auroc", "pixel AUROC"), ("aupro", "AUPRO")):
        clean = _average(_pick(figures, value, 0.0, SCENARIOS[1], ROWS), masked)
        columns[f"{short}, clean"] = clean
        for scenario in SCENARIOS:
            mean = _average(_pick(figures, value, noise, scenario, ROWS), masked)
            columns[f"{short}, {scenario}"] = mean
            columns[f"{short}, {scenario}, gap"] = mean - clean
    title = (
        f"Pixel level, noise {noise:g}, average over {', '.join(masked) or 'no category: there are no masks'}"
    )
    return Table("2-pixel", title, with_index(pd.DataFrame(columns), "method"))


def _ablation(figures: pd.DataFrame, noise: float, categories: list[str]) -> Table:
    rows = [row for row, *_ in _ABLATION]
    clean = _pick(figures, "image_auroc", 0.0, SCENARIOS[1], rows)
    dirty = _pick(figures, "image_auroc", noise, SCENARIOS[1], rows)
    frame = pd.DataFrame(
        {
            "discriminator": [name for _, name, _, _ in _ABLATION],
            "soft weights": [soft for _, _, soft, _ in _ABLATION],
            "floors": [floors for *_, floors in _ABLATION],
        }
    )
    for category in categories:
        frame[f"{category}, clean"] = clean[category].to_numpy() if category in clean else float("nan")
        frame[f"{category}, overlap"] = dirty[category].to_numpy() if category in dirty else float("nan")
    title = f"Discriminator, soft weights and floors, image AUROC, noise {noise:g}"
    return Table("3-ablation", title, frame)


def _neighbours(figures: pd.DataFrame, noise: float, categories: list[str]) -> Table:
    rows = [f"LOF, k = {k}" for k in LOF_KS]
    frame = pd.DataFrame({"k": LOF_KS})
    for scenario in SCENARIOS:
        picked = _pick(figures, "image_auroc", noise, scenario, rows)
        for category in categories:
            values = picked[category].to_numpy() if category in picked else float("nan")
            frame[f"{category}, {scenario}"] = values
    return Table("4-neighbours", f"LOF's k, with soft weights, image AUROC, noise {noise:g}", frame)


def _denoising(figures: pd.DataFrame, noise: float, value: str, number: str, title: str) -> Table:
    columns = {}
    for scenario in SCENARIOS:
        picked = _pick(figures, value, noise, scenario, _DENOISED)
        for category in picked:
            if picked[category].notna().any():
                columns[f"{category}, {scenario}"] = picked[category]
    frame = pd.DataFrame(columns, index=pd.Index(_DENOISED))
    return Table(f"{number}-denoising", title, with_index(frame, "method"))


def _times(figures: pd.DataFrame, noise: float, categories: list[str]) -> Table:
    """Return the times of training and inference, also as multiples of the network's, for busy machines."""
    lines = []
    wanted = figures[(figures["noise"] == noise) & ~figures["method"].str.startswith(SWEEPS)]
    for method in METHODS:
        for category in categories:
            found = wanted[(wanted["method"] == method) & (wanted["category"] == category)]
            if not len(found):
                continue
            first = found.iloc[0]
            network = first["backbone_seconds"]
            lines.append(
                {
                    "method": METHODS[method].rows[-1],
                    "category": category,
                    "network, ms an image": 1e3 * network,
                    "training, s": first["fit_seconds"] + first["trained_on"] * network,
                    "training / network": first["fit_seconds"] / (first["trained_on"] * network) + 1,
                    "inference, ms an image": 1e3 * (first["score_seconds"] + network),
                    "inference / network": first["score_seconds"] / network + 1,
                }
            )
    return Table(
        "8-times", f"Times, noise {noise:g}; memory banks are searched exhaustively", pd.DataFrame(lines)
    )


def _by_noise(figures: pd.DataFrame, category: str, scenario: str, value: str, short: str) -> Table:
    wanted = figures[(figures["category"] == category) & (figures["scenario"] == scenario)]
    frame = wanted.pivot_table(index="row", columns="noise", values=value, dropna=False).reindex(list(ROWS))
    frame.columns = [f"noise {noise:g}" for noise in frame.columns]
    name = f"all-noises-{category}-{scenario.replace(' ', '-')}"
    return Table(name, f"{short} of {category} at every noise, {scenario}", with_index(frame, "method"))


def with_index(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a frame with its index as first column of this name."""
    named: pd.DataFrame = frame.rename_axis(index=name, columns=None).reset_index()
    return named
