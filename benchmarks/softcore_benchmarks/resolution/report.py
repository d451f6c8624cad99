"""Resolution report: RESOLUTION.md with its plot, from the measurements of `resolution.py`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator
from softcore_export.resolution.resolution_choice import ChoiceRule, Trial, choose_side
from softcore_runtime.backends.engine import Precision

from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.resolution.rival import RIVAL_SIZES

__all__ = ["SIZES", "Setup", "choose_rule", "write_report"]

SIZES = (160, 224, 320, 448)
_USUAL = 224
_LOSS = 0.003  # of image AUROC that a choice may lose against 224 pixels
_BUDGET = 40.0
RULES = tuple(
    ChoiceRule(gain, equal)
    for gain, equal in itertools.product((0.0, 0.003, 0.005, 0.01, 0.02, 0.04), (0.0, 0.005, 0.01, 0.02))
)


@dataclass(frozen=True)
class Setup:
    """What is trained.

    Attributes:
        resize: side of the square in pixels.
        crop: side of its middle that the network sees.
        precision: of the network.
        grid: rows, and columns, of a coarser grid; None is the network's own.
        bank: entries of the memory bank as a multiple of those at 224 pixels; None is as by default.
    """

    resize: int
    crop: int
    precision: Precision
    grid: int | None = None
    bank: float | None = None

    @property
    def key(self) -> str:
        """A name for files."""
        more = f"-grid{self.grid}" if self.grid else ""
        more += f"-bank{self.bank:g}" if self.bank else ""
        return f"{self.resize}-{self.crop}-{self.precision}{more}"


@dataclass(frozen=True)
class Known:
    """What the choice is made from on one set, and what it is worth.

    Attributes:
        data: name of the set.
        trials: separation and note of each size.
        truth: image AUROC by size.
    """

    data: str
    trials: tuple[Trial, ...]
    truth: Mapping[int, float]

    def choose(self, rule: ChoiceRule) -> int:
        """Choose a size without a budget."""
        return choose_side(self.trials, math.inf, rule)

    def gain(self, rule: ChoiceRule) -> float:
        """Return the image AUROC that the choice gains over 224 pixels."""
        return self.truth[self.choose(rule)] - self.truth[_USUAL]


def choose_rule(known: Sequence[Known]) -> ChoiceRule:
    """Choose the constants that lose at most 0.003 on any set, and of these the ones that gain most.

    Of equally good ones, the middle one in the order of `RULES`.
    """
    if not known:
        return ChoiceRule()
    fair = [rule for rule in RULES if all(each.gain(rule) >= -_LOSS for each in known)] or list(RULES)
    gains = np.array([np.mean([each.gain(rule) for each in known]) for rule in fair])
    best = [rule for rule, gain in zip(fair, gains, strict=True) if gain >= gains.max() - 1e-9]
    return best[len(best) // 2]


def write_report(
    out: Path,
    names: Sequence[str],
    setups: Sequence[Setup],
    results: Mapping[str, Any],
    times: Mapping[str, Any],
) -> Path:
    """Write RESOLUTION.md, results/resolution.csv and results/resolution.png into `out`; return the first.

    Args:
        out: the folder.
        names: of the categories.
        setups: what was trained; what isn't among the results is left out.
        results: by name, as `resolution.Kept` has them.
        times: milliseconds by setup, and the machine.
    """
    rows = [
        {"data": name, **_describe_setup(setup, times), **results[key], "noise": _find_noise(results, key)}
        for name in names
        for setup in setups
        if (key := f"{name} {setup.key}") in results
    ]
    table = pd.DataFrame(rows)
    folder = make_results_folder(out)
    table.to_csv(folder / "resolution.csv", index=False, float_format="%.4f")
    _plot(table, folder / "resolution.png")
    return write_page(out, "RESOLUTION.md", _describe(names, table, results, times))


def _select_usual(table: pd.DataFrame) -> pd.DataFrame:
    """Select the sizes that are offered, with the whole frame in view, and grid and bank as by default."""
    whole = (table["resize"] == table["crop"]) & table["crop"].isin(SIZES)
    usual: pd.DataFrame = table[whole & (table["grid"] == "") & (table["bank"] == "")]
    return usual


def _find_noise(results: Mapping[str, Any], key: str) -> float:
    return float(results[f"{key} noise"]["auroc"]) if f"{key} noise" in results else math.nan


def _describe_setup(setup: Setup, times: Mapping[str, Any]) -> dict[str, object]:
    timed = times.get(Setup(setup.resize, setup.crop, setup.precision, setup.grid).key, {})
    return {
        "resize": setup.resize,
        "crop": setup.crop,
        "precision": setup.precision,
        "grid": setup.grid or "",
        "bank": "" if setup.bank is None else f"{setup.bank:g} x",
        "ms": timed.get("median", float("nan")),
        "ratio": timed.get("ratio", float("nan")),
    }


def _describe(
    names: Sequence[str], table: pd.DataFrame, results: Mapping[str, Any], times: Mapping[str, Any]
) -> Iterator[str]:
    first = table["precision"].iloc[0]
    usual = _select_usual(table)
    yield "# Accuracy by resolution"
    yield (
        f"Made by `python -m softcore_benchmarks.resolution` on: {times['machine']}. ResNet-18; memory banks "
        "without floors, coreset ratio 0.02 at 224 pixels, features projected to 128 dimensions, "
        f"{_count_images(names, results)}; the whole test sets. Image AUROC on clean images, mean of three "
        "seeds of the coreset, between which it varies by 0.01 (see the CSV file). *ms* is "
        "the median of the network's time for a frame of 512 pixels, resizing included, all in turn; *ratio* "
        "is to the first precision at 224."
    )
    yield "![Image AUROC against milliseconds](results/resolution.png)"
    for precision in usual["precision"].unique():
        yield f"## {precision}"
        yield _pivot(usual[usual["precision"] == precision], names, "auroc")
    noisy = usual[usual["noise"].notna()]
    if len(noisy):
        yield "## With defects among the training images"
        yield (
            f"The default method (`--discriminator auto`, with floors) in {first}; 10 % of the images are "
            "defective, and stay in the test."
        )
        yield _pivot(noisy, names, "noise")
    yield from _describe_rival(names, results)
    yield "## The whole frame in view"
    yield (
        "Beside the whole frame in 224 and in 256 pixels what PatchCore's authors do: it is resized to "
        f"256 and its middle 224 inspected; the outer 6 % are not. In {first}."
    )
    view = table[table["crop"].isin((224, 256)) & (table["precision"] == first) & (table["grid"] == "")]
    yield _pivot(view, names, "auroc", ["resize", "crop"])
    yield "## Grid and memory bank"
    yield (
        f"Image AUROC and, in brackets, entries; in {first}. Without *grid* the network's own grid, 28 x 28 "
        "at 224 pixels and 56 x 56 at 448. *bank* is the number of entries as a multiple of those at 224; "
        "without it as by default, which is as many."
    )
    yield _tabulate_banks(table[table["precision"] == first], names)
    yield from _describe_choices(names, table[table["precision"] == first], results, times)


def _describe_rival(names: Sequence[str], results: Mapping[str, Any]) -> Iterator[str]:
    found = {
        side: {name: results[key] for name in names if (key := f"{name} anomalib {side}") in results}
        for side in RIVAL_SIZES
    }
    if not any(found.values()):
        return
    yield "## Beside anomalib"
    yield (
        "anomalib's PatchCore, on the same images, weights and layers, coreset ratio 0.02 at every size, by "
        "its OpenVINO form. Image AUROC; *ms* is the median from a frame to its score, *x network* the ratio "
        "to its network alone, in turn in one process. One seed."
    )
    rows = []
    for side, each in found.items():
        if each:
            figures = pd.DataFrame(each).T.astype(float)
            rows.append(
                {
                    "crop": side,
                    "ms": figures["ms"].median(),
                    "x network": (figures["ms"] / figures["bare"]).median(),
                }
                | {name: figures["auroc"].get(name, math.nan) for name in names}
                | {"mean": figures["auroc"].mean() if len(figures) == len(names) else math.nan}
                | {"entries": figures["entries"].median()}
            )
    formats = ("g", ".1f", ".2f", *(".4f",) * (len(names) + 1), ",.0f")
    # Where not all sets were measured there is no mean.
    yield str(pd.DataFrame(rows).to_markdown(index=False, floatfmt=formats)).replace(" nan ", "   \u2013 ")


def _count_images(names: Sequence[str], results: Mapping[str, Any]) -> str:
    counts = [f"{results[f'{name} images']} of {name}" for name in names if f"{name} images" in results]
    return f"training images: {', '.join(counts)}"


def _pivot(table: pd.DataFrame, names: Sequence[str], value: str, index: list[str] | None = None) -> str:
    index = index or ["crop"]
    wide = table.pivot_table(index=index, columns="data", values=value, sort=False)
    wide = wide.reindex(columns=[name for name in names if name in wide.columns])
    wide["mean"] = wide.mean(axis=1)
    for place, column in enumerate(("ms", "ratio")):
        wide.insert(place, column, table.groupby(index, sort=False)[column].first())
    return str(wide.reset_index().to_markdown(index=False, floatfmt=_formats(len(index), len(wide.columns))))


def _formats(whole: int, columns: int) -> tuple[str, ...]:
    return ("g",) * whole + (".1f", ".2f") + (".4f",) * (columns - 2)


def _tabulate_banks(table: pd.DataFrame, names: Sequence[str]) -> str:
    whole = table[table["resize"] == table["crop"]]
    rows = []
    for key, some in whole[whole["crop"].isin((224, 448))].groupby(["crop", "grid", "bank"], sort=False):
        cells = {row["data"]: f"{row['auroc']:.4f} ({row['entries']:,.0f})" for _, row in some.iterrows()}
        mean = some["auroc"].mean() if len(some) == len(names) else float("nan")
        rows.append(dict(zip(("pixels", "grid", "bank"), key, strict=True)) | cells | {"mean": f"{mean:.4f}"})
    return str(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


def _describe_choices(
    names: Sequence[str], table: pd.DataFrame, results: Mapping[str, Any], times: Mapping[str, Any]
) -> Iterator[str]:
    yield "## What `--resolution auto` chooses"
    yield (
        "The separation is how often an image with a synthetic defect scores above a good one, on training "
        "images that the small bank wasn't drawn from. *without* has the constants chosen on the other sets: "
        "those that lose at most 0.003 against 224 pixels on any, and of these the ones that gain most on "
        "average. *within* is the size with the usual constants where the network may take 40 ms, by the "
        "times above. The images are clean, or 10 % of them are defective; what is gained is of clean ones."
    )
    known = [each for noise in ("0", "0.1") for each in _list_known(names, table, results, noise)]
    rows = []
    for each in known:
        name, _, noise = each.data.partition(" ")
        rule = choose_rule([other for other in known if other.data.partition(" ")[0] != name])
        cells: dict[str, object] = {"data": name, "defective": noise}
        for trial in each.trials:
            cells[f"separation {trial.side}"] = trial.separation
        cells |= {
            "without: gain, equal": f"{rule.gain:g}, {rule.equal:g}",
            "without: pixels": each.choose(rule),
            "without: AUROC gained": f"{each.gain(rule):+.4f}",
            "pixels": each.choose(ChoiceRule()),
            "AUROC gained": f"{each.gain(ChoiceRule()):+.4f}",
            "within 40 ms": choose_side(_add_times(each.trials, times), _BUDGET),
        }
        rows.append(cells)
    if rows:
        yield str(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3f"))


def _list_known(
    names: Sequence[str], table: pd.DataFrame, results: Mapping[str, Any], noise: str
) -> Iterator[Known]:
    for name in names:
        if found := results.get(f"{name} choice {noise}"):
            some = _select_usual(table[table["data"] == name])
            trials = tuple(Trial(row["side"], 1.0, row["separation"], row["note"]) for row in found)
            truth = dict(zip(some["crop"].tolist(), some["auroc"].tolist(), strict=True))
            yield Known(f"{name} {noise}", trials, truth)


def _add_times(trials: Sequence[Trial], times: Mapping[str, Any]) -> list[Trial]:
    precision: Precision = "bf16" if any("-bf16" in key for key in times) else "fp32"
    return [
        Trial(
            trial.side,
            times[Setup(trial.side, trial.side, precision).key]["median"],
            trial.separation,
            trial.note,
        )
        for trial in trials
    ]


def _plot(table: pd.DataFrame, path: Path) -> None:
    names = list(table["data"].unique())
    columns = min(3, len(names))
    lines = math.ceil(len(names) / columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(4 * columns, 3.2 * lines), squeeze=False, constrained_layout=True
    )
    usual = _select_usual(table)
    for axis, name in zip(axes.flat, names, strict=False):
        for precision, some in usual[usual["data"] == name].groupby("precision", sort=False):
            axis.plot(some["ms"], some["auroc"], marker="o", label=precision)
            for _, row in some.iterrows():
                axis.annotate(str(row["crop"]), (row["ms"], row["auroc"]), fontsize=7)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.set_ylim(top=min(axis.get_ylim()[1], 1.002))
        axis.set_title(name)
        axis.set_xlabel("milliseconds a frame, network")
        axis.set_ylabel("image AUROC")
    axes.flat[0].legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
