"""Report: the page on alignment."""

from __future__ import annotations

import pandas as pd

from softcore_benchmarks.alignment.measurement import MODES, RATIO
from softcore_benchmarks.measuring.interleaving import Times

__all__ = ["JITTER", "write_report"]

JITTER = (30, 10)  # pixels of 512, and degrees


def write_report(table: pd.DataFrame, times: dict[str, Times], shape: tuple[int, ...]) -> list[str]:
    """Write the page."""
    moved = table[table["kind"] == "moved"]
    wide = moved.pivot_table(index=["data", "test"], columns="align", values="auroc", sort=False)
    said = table[table["kind"] != "moved"].pivot_table(
        index=["data", "kind"], columns="align", values="auroc", sort=False
    )
    reasons = table[table["align"] == "auto"].set_index(["data", "kind"])["said"]
    said = said.join(reasons[~reasons.index.duplicated()])
    invalid = table.groupby("align")[["invalid_good", "invalid_bad", "invalid_training"]].sum()
    height, width = shape[:2]
    return [
        "# Alignment",
        "Made by `python -m softcore_benchmarks.alignment`; ResNet-18, the default's memory bank with a "
        f"coreset ratio of {RATIO:g}. Image AUROC; a frame that can't be aligned is INVALID and counts as "
        "one that doesn't pass.",
        "## Parts that lie elsewhere than in training",
        "The parts of the test images are cut out and laid elsewhere on their own table, in a frame that is "
        "wider by a quarter; those of the training images stay. Pixels are the image's, of 512.",
        str(wide.reset_index().to_markdown(index=False, floatfmt=".4f")),
        "## What `--align auto` says, and what comes of it",
        "*10% defective*: that many test defects are among the training images, and stay in the test. "
        "*All moved*: training and test images, by up to {} pixels along each side and {} degrees.".format(
            *JITTER
        ),
        str(said.reset_index().to_markdown(index=False, floatfmt=".4f")),
        "## INVALID",
        "Frames of all rows above that could not be aligned.",
        str(invalid.reset_index().to_markdown(index=False)),
        "## Time",
        f"Aligning a frame of {width} x {height} pixels takes "
        + " and ".join(f"{times[mode].ratio:.2f} ({mode})" for mode in MODES[1:])
        + " of the time of ResNet-18 on it, medians of interleaved runs.",
    ]
