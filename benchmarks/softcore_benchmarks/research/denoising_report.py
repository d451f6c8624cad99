"""Denoising report: DENOISING.md and results/denoising.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from softcore_benchmarks.data.drawn import DRAWN
from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.research.sandbox import ALL, HALVES, NEIGHBOURS
from softcore_benchmarks.research.screening import ATTEMPTS, DEFAULT, LOF, ORACLE, PATCHCORE

__all__ = ["write_report"]

AUROCS = ("overlap", "no overlap")
_CELL = ["data", "noise"]
_MISSING = "-"
_SLIGHT, _EVEN = 0.01, 0.001  # of image AUROC: in any column, and in the mean of all
_LOSS = 0.005  # of image AUROC that may be lost on clean images


def write_report(folder: Path, found: pd.DataFrame, described: Sequence[str]) -> Path:
    """Write `DENOISING.md` and `results/denoising.csv`; return the Markdown file.

    Args:
        folder: the output folder.
        found: all values, with columns data, noise, half, seed, row, measure and value.
        described: a line of Markdown for each data set.
    """
    found.to_csv(make_results_folder(folder) / "denoising.csv", index=False, float_format="%.6g")
    accuracy = found[found["measure"].isin(AUROCS)]
    screened = _select_screened(accuracy)
    parts = [*_introduce(described), "## What was tried"]
    parts.append(
        f"Image AUROC in the sandbox, *overlap / no overlap*, on the first draw from the half of the defects "
        f"that the rule was {HALVES[0]}d on (from all of them where a half isn't enough); one figure where "
        "there is no noise, since the two are the same then."
    )
    names = list(dict.fromkeys(screened["data"]))
    for title, wanted in (
        ("Real images", [name for name in names if name not in DRAWN]),
        ("Drawn images", [name for name in names if name in DRAWN]),
    ):
        if wanted:
            parts += [f"### {title}", _to_markdown(_tabulate(screened[screened["data"].isin(wanted)]))]
    if names:
        parts += ["### What each is, and why it was dropped", _EXPLAIN, _to_markdown(_explain(screened))]
    if len(set(names)) > 1:
        parts += ["### Chosen without each data set", _LEFT_OUT, _to_markdown(_leave_one_out(screened))]
    parts += ["## The default", _CONFIRM, _to_markdown(_confirm(accuracy))]
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
        f"what came out was **{HALVES[1]}ed** on noise from the odd ones. Where a half isn't enough they "
        f"come from *{ALL}* of them. The test set is always whole. "
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
_LEFT_OUT = (
    "Would other data sets have chosen the default's constants? Each row has the rule, of the default and "
    f"its variants (those without a verdict of their own), that is best without one data set: of those that "
    f"lose at most {_LOSS:g} against the oracle, which is PatchCore there, on each clean one, the one that "
    "comes nearest to the oracle with noise, over the same draws. The figures are of the data set that was "
    "left out: the distance to the oracle, clean and on the mean of its noises. The last row is of all data "
    "sets. One constant differs in each variant. Those of the factor of floors are chosen together in "
    "[CONSTANTS.md](CONSTANTS.md)."
)
_CONFIRM = (
    "Image AUROC in the sandbox, *overlap / no overlap*, means over the draws, with the number of draws. "
    "*Behind* is how much the default is behind the better of PatchCore and the paper's lof, and how much "
    "behind PatchCore without overlap, where it is at all."
)
_SUSPECT = (
    "How the default ranks the injected images among the good training images (AUROC), how many of "
    "both it calls suspect, and what it estimates the share of defective images to be, with its "
    "interval (*none*: it says that these images carry no estimate, and gives bounds); *held* is how often "
    "the true share lies in it. Means over all draws."
)
_ANEW = (
    "The default at the first draw, *overlap / no overlap*: entries masked, as above, and the memory bank "
    "that an export learns of the same features: a coreset of what is kept, and floors of its own."
)


def _select_screened(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Select the draws on which all attempts were tried."""
    tried = accuracy.groupby([*_CELL, "half", "seed"])["row"].transform("nunique")
    screened: pd.DataFrame = accuracy[tried >= len(ATTEMPTS)]
    return screened


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


def _leave_one_out(screened: pd.DataFrame) -> pd.DataFrame:
    """Return the variant that is best without each data set, and how it does on that one."""
    cells = screened.groupby(["row", *_CELL])["value"].mean().unstack("row")
    variants = [attempt.name for attempt in ATTEMPTS if attempt.name == DEFAULT or not attempt.verdict]
    gaps = cells[[name for name in variants if name in cells]].rsub(cells[ORACLE], axis=0)
    clean = gaps.index.get_level_values("noise") == 0
    rows = []
    for name in [*dict.fromkeys(screened["data"]), None]:
        own = gaps.index.get_level_values("data") == name if name else clean | True
        others = ~own if name else own
        fair = (gaps[others & clean].round(3) <= _LOSS).all()
        chosen = str(gaps[others & ~clean].loc[:, fair | ~fair.any()].mean().idxmin())
        row = {"without": name or "none", "chosen": chosen}
        for title, rule in (("chosen", chosen), (DEFAULT, DEFAULT)):
            for kind, here in (("clean", clean), ("noise", ~clean)):
                row[f"{title}: {kind}"] = f"{gaps.loc[own & here, rule].mean():.3f}"
        rows.append(row)
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _confirm(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return PatchCore, the paper's lof, the default and the oracle on each half of the defects."""
    rows = []
    for cell in _list_cells(accuracy):
        here = accuracy[(accuracy["data"] == cell[0]) & (accuracy["noise"] == cell[1])]
        for half in dict.fromkeys(here["half"]):
            part = here[here["half"] == half]
            row = {"data": cell[0], "noise": f"{cell[1]:g}", "half": half if cell[1] else _MISSING}
            row["draws"] = str(part["seed"].nunique())
            for name in (PATCHCORE, LOF, DEFAULT, ORACLE):
                row[name] = _show(part[part["row"] == name], cell)
            rows.append(row | {"behind": _lag(part)})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _lag(part: pd.DataFrame) -> str:
    """Describe how much the default is behind the better of PatchCore and lof, or PatchCore alone."""
    means = part.groupby(["row", "measure"])["value"].mean()
    lags = {}
    for measure in AUROCS:
        best = max(means[PATCHCORE, measure], means[LOF, measure])
        lags[measure] = best - means[DEFAULT, measure]
    lags["PatchCore, no overlap"] = means[PATCHCORE, AUROCS[1]] - means[DEFAULT, AUROCS[1]]
    shown = [f"{lag:.3f} ({measure})" for measure, lag in lags.items() if lag >= _EVEN]
    return ", ".join(shown) or _MISSING


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
                "estimate": _describe_estimates(draws),
                "held": f"{held.sum()} of {len(held)}",
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _describe_estimates(draws: pd.DataFrame) -> str:
    """Describe the mean interval, and the mean estimate of the draws that carry one."""
    carried = draws["estimate"].dropna() if "estimate" in draws else pd.Series(dtype=float)
    low, high = draws["estimate low"].mean(), draws["estimate high"].mean()
    value = f"{carried.mean():.3f}" if len(carried) else "none"
    some = f", in {len(carried)} of {len(draws)}" if 0 < len(carried) < len(draws) else ""
    return f"{value}{some} ({low:.3f} to {high:.3f})"


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
