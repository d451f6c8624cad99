"""Denoising report: DENOISING.md and results/denoising.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from softcore_benchmarks.data.drawn import DRAWN
from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.research.sandbox import HALVES, NEIGHBOURS
from softcore_benchmarks.research.screening import ATTEMPTS, DEFAULT, ORACLE, PATCHCORE

__all__ = ["write_report"]

AUROCS = ("overlap", "no overlap")
_CELL = ["data", "noise"]
_MISSING = "-"
_SLIGHT, _EVEN = 0.01, 0.001  # of image AUROC: in any column, and in the mean of all


def write_report(folder: Path, found: pd.DataFrame, described: Sequence[str]) -> Path:
    """Write `DENOISING.md` and `results/denoising.csv`; return the Markdown file.

    Args:
        folder: the output folder.
        found: all values, with columns data, noise, half, seed, row, measure and value.
        described: a line of Markdown for each data set.
    """
    found.to_csv(make_results_folder(folder) / "denoising.csv", index=False, float_format="%.6g")
    accuracy = found[found["measure"].isin(AUROCS)]
    screened = accuracy[accuracy["half"] == HALVES[0]]
    parts = [*_introduce(described), "## What was tried"]
    parts.append(
        f"Image AUROC in the sandbox, *overlap / no overlap*, on the half of the defects that the rule was "
        f"{HALVES[0]}d on; one figure where there is no noise, since the two are the same then. "
        f"{_list_slow()} on the first draw alone, up to a noise of 0.1."
    )
    names = list(dict.fromkeys(screened["data"]))
    for title, wanted in (
        ("Real images", [name for name in names if name not in DRAWN]),
        ("Drawn images", [name for name in names if name in DRAWN]),
    ):
        if wanted:
            parts += [f"### {title}", _to_markdown(_tabulate(screened[screened["data"].isin(wanted)]))]
    parts += ["### What each is, and why it was dropped", _EXPLAIN, _to_markdown(_explain(screened))]
    parts += ["## Tuned and confirmed", _CONFIRM, _to_markdown(_confirm(accuracy))]
    parts += ["## Which training images are suspect", _SUSPECT, _to_markdown(_list_suspects(found))]
    anew = _compare_anew(screened)
    if len(anew):
        parts += ["## Is the sandbox to be believed?", _ANEW, _to_markdown(anew)]
    return write_page(folder, "DENOISING.md", parts)


def _introduce(described: Sequence[str]) -> list[str]:
    parts = [
        "# Denoising without being told",
        "Made by `python -m softcore_benchmarks.research.denoising`; every figure: "
        "[results/denoising.csv](results/denoising.csv).",
        "Can a rule find the defective images among the training images without being told how many "
        "there are, and lose nothing where there are none? The paper throws a fixed share of all patches "
        "away, however clean or dirty the images are. These are the rules that were tried instead, the "
        "default of `--discriminator auto` among them, and how they did.",
        "Noise is drawn as for [RESULTS.md](RESULTS.md): `k = round(noise * n_train)` defects of the test "
        "set, sorted by path, shuffled by a seed, the first k, are added to the good training images. "
        "*Overlap* leaves them in the test set too, *no overlap* takes them out. But they come from one "
        f"half of the defects alone: rules were **{HALVES[0]}d** on noise from the even ones by path, and "
        f"what came out was **{HALVES[1]}ed** on noise from the odd ones. The test set is always whole. "
        "Figures are means over the draws (seeds); the CSV has each.",
        "\n".join(described),
    ]
    if any(name in line for line in described for name in DRAWN):
        parts.append(
            "Some are drawn by SoftCore, so that the rule isn't fitted to the real ones alone: a pill at "
            "nearly the same place (`drawn_pill`), the same turned by any angle and shifted "
            "(`drawn_turned`), and a woven, grained texture with spots and scratches (`drawn_weave`)."
        )
    parts.append(
        "The *sandbox* draws one coreset of all training patches, the injected ones included, in a "
        f"projection to 128 dimensions, and remembers each test patch's nearest {NEIGHBOURS} entries. What "
        "a rule leaves out is masked there, instead of drawing anew."
    )
    return parts


_EXPLAIN = (
    "*Mean* is the mean difference of image AUROC from the default over all columns of the tables above, "
    "*worst* and *best* are the columns where the rule is most behind and most ahead of it; of overlap and "
    "no overlap the mean, on the same draws."
)
_CONFIRM = (
    "Image AUROC in the sandbox, *overlap / no overlap*. Earlier trials, which suggested the rules, drew "
    "noise from all defects; constants were then set on the first half. The good test images are the same."
)
_SUSPECT = (
    "How the default ranks the injected images among the good training images (AUROC), how many of "
    "both it calls suspect, and what it estimates the share of defective images to be, with its "
    "interval; *held* is how often the true share lies in it. Means over all draws of both halves."
)
_ANEW = (
    "The default at the first draw, *overlap / no overlap*: entries masked, as above, and a coreset drawn "
    "from what is kept."
)


def _list_slow() -> str:
    names = [f"*{attempt.name}*" for attempt in ATTEMPTS if attempt.slow]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} tried"


def _tabulate(screened: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each attempt, a column for each data set and noise."""
    rows = {}
    for attempt in ATTEMPTS:
        mine = screened[screened["row"] == attempt.name]
        rows[attempt.name] = {_name_cell(cell): _show(mine, cell) for cell in _list_cells(screened)}
    table: pd.DataFrame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule").reset_index()
    return table


def _explain(screened: pd.DataFrame) -> pd.DataFrame:
    """Return the description of each attempt and its difference from the default."""
    keys = [*_CELL, "seed", "measure"]
    default = screened[screened["row"] == DEFAULT].set_index(keys)["value"]
    rows = []
    for attempt in ATTEMPTS:
        mine = screened[screened["row"] == attempt.name].set_index(keys)["value"]
        gaps = (mine - default.reindex(mine.index)).groupby(level=_CELL, sort=False).mean()
        row = {"rule": attempt.name, "what it is": attempt.what, "mean": f"{gaps.mean():+.3f}"}
        for title, cell in (("worst", gaps.idxmin()), ("best", gaps.idxmax())):
            behind = gaps[cell]
            row[title] = f"{behind:+.3f} ({_name_cell(cell)})" if abs(behind) >= 0.0005 else "same"
        rows.append(row | {"verdict": attempt.verdict or _compare_with_default(gaps)})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _compare_with_default(gaps: pd.Series[float]) -> str:
    """Return a verdict on a variant of the default, by its differences from it in all columns."""
    if gaps.abs().max() < _SLIGHT:
        return "Makes no notable difference."
    if gaps.mean() <= -_EVEN:
        return "Loses more than it wins."
    return "Wins more than it loses." if gaps.mean() >= _EVEN else "Wins about as much as it loses."


def _confirm(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return PatchCore, the default and the oracle on both halves."""
    rows = []
    for cell in _list_cells(accuracy):
        for half in HALVES if cell[1] else HALVES[:1]:
            part = accuracy[accuracy["half"] == half]
            row = {"data": cell[0], "noise": f"{cell[1]:g}", "half": half if cell[1] else _MISSING}
            for name in (PATCHCORE, DEFAULT, ORACLE):
                row[name] = _show(part[part["row"] == name], cell)
            rows.append(row)
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _list_suspects(found: pd.DataFrame) -> pd.DataFrame:
    """Return how well the default separates the training images."""
    rows = []
    for cell in _list_cells(found):
        here = (found["data"] == cell[0]) & (found["noise"] == cell[1]) & ~found["measure"].isin(AUROCS)
        draws = found[here].pivot_table(index=["half", "seed"], columns="measure", values="value")
        mean = draws.mean()
        held = (draws["estimate low"] <= draws["true share"]) & (
            draws["true share"] <= draws["estimate high"]
        )
        rows.append(
            {
                "data": cell[0],
                "noise": f"{cell[1]:g}",
                "AUROC": f"{mean['suspicion AUROC']:.3f}" if "suspicion AUROC" in mean else _MISSING,
                "suspect, injected": f"{mean['flagged bad']:.3g} of {mean['injected']:.3g}",
                "suspect, good": f"{mean['flagged good']:.3g} of {mean['good']:.3g}",
                "true share": f"{mean['true share']:.3f}",
                "estimate": "{estimate:.3f} ({estimate low:.3f} to {estimate high:.3f})".format(**mean),
                "held": f"{held.sum()} of {len(held)}",
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _compare_anew(screened: pd.DataFrame) -> pd.DataFrame:
    """Return the sandbox beside coresets drawn anew, where both were measured."""
    anew = screened[screened["row"] == "drawn anew"]
    rows = []
    for cell in _list_cells(anew):
        default = screened[(screened["row"] == DEFAULT) & screened["seed"].isin(anew["seed"])]
        rows.append(
            {
                "data": cell[0],
                "noise": f"{cell[1]:g}",
                "masked": _show(default, cell),
                "drawn anew": _show(anew, cell),
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _list_cells(found: pd.DataFrame) -> list[tuple[str, float]]:
    return [(str(name), float(noise)) for name, noise in found[_CELL].drop_duplicates().to_numpy()]


def _name_cell(cell: tuple[str, float]) -> str:
    return f"{cell[0]} {cell[1]:g}"


def _show(found: pd.DataFrame, cell: tuple[str, float]) -> str:
    """Format the means of a row in a cell, overlap and no overlap."""
    here = found[(found["data"] == cell[0]) & (found["noise"] == cell[1])]
    if not len(here):
        return _MISSING
    means = here.groupby("measure")["value"].mean()
    shown = [f"{means[measure]:.3f}" for measure in AUROCS]
    return " / ".join(shown if cell[1] else shown[:1])


def _to_markdown(frame: pd.DataFrame) -> str:
    return str(frame.to_markdown(index=False, disable_numparse=True))
