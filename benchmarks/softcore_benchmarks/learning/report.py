"""Report: LEARNING.md with its plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from softcore_benchmarks.learning.bench import NOISE, RATIO
from softcore_benchmarks.learning.teaching import OVERKILL
from softcore_benchmarks.measuring.results import make_results_folder, write_page

__all__ = ["write_report"]

_STYLES = {"worth": "-o", "suspicion": ":s"}


def write_report(looks: pd.DataFrame, taught: pd.DataFrame, images: int, out: Path) -> Path:
    """Write the page, the plot and both tables; return the page's path."""
    folder = make_results_folder(out)
    paragraphs = [
        "# Learning after the first day",
        f"Made by `python -m softcore_benchmarks.learning`; ResNet-18, {images} good training images "
        f"at most, and {NOISE:.0%} as many defective ones; the default method with a coreset ratio of "
        f"{RATIO:g} at 224 pixels.",
    ]
    if len(looks):
        looks.to_csv(folder / "learning-looks.csv", index=False)
        _plot(looks, folder / "learning.png")
        paragraphs += list(_describe_looks(looks))
    if len(taught):
        taught.to_csv(folder / "learning-taught.csv", index=False)
        paragraphs += list(_describe_taught(taught))
    return write_page(out, "LEARNING.md", paragraphs)


def _describe_looks(looks: pd.DataFrame) -> Iterator[str]:
    yield "## Looks"
    yield (
        "Image AUROC after so many looks of a truthful reviewer, who excludes defective images wholly "
        "and confirms good ones; mean of the draws. In the order of *worth* "
        "(`--review`'s) or of *suspicion*; *oracle* has looked at all. *Overlap*: the defects that "
        "were learned are in the test, too. *found*: of the defective images, whose number is in "
        "brackets. The coreset's seed alone moves an AUROC by about 0.01."
    )
    yield "![Image AUROC after looks](results/learning.png)"
    for scenario in ("overlap", "no_overlap"):
        rows = []
        for (data, side), some in looks.groupby(["data", "side"], sort=False):
            mean = some.groupby(["order", "looks"])[[scenario, "found"]].mean()
            none, oracle = (some[some["order"] == order][scenario].mean() for order in ("none", "oracle"))
            for order in ("worth", "suspicion"):
                cells = {
                    str(count): f"{row[scenario]:.4f} ({row['found']:.1f} found)"
                    for count, row in mean.loc[order].iterrows()
                }
                defective = some["defective"].mean()
                rows.append(
                    {"data": f"{data} {side}", "draws": some["draw"].nunique(), "order": order}
                    | {"0": f"{none:.4f}"}
                    | cells
                    | {"oracle": f"{oracle:.4f} ({defective:.0f})"}
                )
        yield f"### {scenario.replace('_', ' ').capitalize()}"
        yield str(pd.DataFrame(rows).to_markdown(index=False))


def _describe_taught(taught: pd.DataFrame) -> Iterator[str]:
    yield "## Taught defects"
    yield (
        f"Defects of half of the classes are confirmed (`--bad`). AUROC and escapes at {OVERKILL:.0%} "
        "overkill on test images that were never shown, of the taught classes and of the *other* "
        "ones; mean of the draws. *chosen* is the resolution that "
        "`--resolution auto` takes with these defects and a large budget, in each draw. *dropped*: "
        "entries of the memory bank."
    )
    rows = []
    figures = ["auroc_taught", "escape_taught", "auroc_other", "escape_other"]
    for data, some in taught.groupby("data", sort=False):
        for count, these in some.groupby("taught"):
            picked = these[these["chosen"]]
            parts = [(f"{side}", part) for side, part in these.groupby("side")]
            sides = ", ".join(str(side) for side in picked["side"])
            for name, part in [*parts, (f"chosen ({sides})", picked)]:
                mean = part[figures].astype(float).mean()
                rows.append(
                    {"data": data, "draws": these["draw"].nunique(), "taught": count, "pixels": name}
                    | {figure: "" if pd.isna(mean[figure]) else f"{mean[figure]:.3f}" for figure in figures}
                    | {"dropped": f"{part['dropped'].mean():.1f}"}
                )
    yield str(pd.DataFrame(rows).to_markdown(index=False))


def _plot(looks: pd.DataFrame, path: Path) -> None:
    groups = list(looks.groupby(["data", "side"], sort=False))
    figure, axes = plt.subplots(1, len(groups), figsize=(3.4 * len(groups), 3.2), squeeze=False)
    for axis, ((data, side), some) in zip(axes[0], groups, strict=True):
        none = some[some["order"] == "none"]["overlap"].mean()
        oracle = some[some["order"] == "oracle"]["overlap"].mean()
        for order, style in _STYLES.items():
            mean = some[some["order"] == order].groupby("looks")["overlap"].mean()
            axis.plot([0, *mean.index], [none, *mean], style, label=order)
        axis.axhline(oracle, color="0.5", linestyle="--", label="oracle")
        axis.set_title(f"{data}, {side} pixels", fontsize=10)
        axis.set_xlabel("looks")
    axes[0, 0].set_ylabel("image AUROC, overlap")
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
