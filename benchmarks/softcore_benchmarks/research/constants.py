"""Constants: those of floors, chosen on some data sets and confirmed on the others.

    python -m softcore_benchmarks.research.constants --data DATASETS --weights resnet18.pth --out benchmarks

Without evidence of contamination `choose_factor` has three constants. Each combination is tried in the
sandbox. Those that lose at most 0.005 on every clean set count, and of these the ones with the least mean
distance to the oracle. They are chosen once for each data set, without it. CONSTANTS.md and
results/constants.csv are written into --out.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from softcore_export.contamination.estimate import EstimateParameters
from softcore_export.memory_bank.floors import FACTORS, FactorRule, choose_factor
from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.progress import hide_bars, track
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.data.feature_store import Network
from softcore_benchmarks.measuring.commands import check_weights, make_parser
from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.research.corroboration import list_vouchers, score_left_out
from softcore_benchmarks.research.denoising import PLANS, Plan
from softcore_benchmarks.research.sandbox import ALL, HALVES, Sandbox, enough_defects, load_dataset

__all__ = ["Curve", "choose_rule", "main", "tabulate"]

RULES = tuple(
    FactorRule(trusted=trusted, rise=rise, raised=raised)
    for trusted, rise, raised in itertools.product(
        (0.5, 0.7, 0.85), (0.005, 0.01, 0.02, 0.03, 0.05), (0.02, 0.05, 0.07, 0.1, 0.2)
    )
)
_STRICT = EstimateParameters(evident=(1, 2))  # without evidence of contamination, which only adds to floors
_LOSS = 0.005  # of image AUROC that may be lost on clean images


@dataclass(frozen=True, eq=False)
class Curve:
    """What floors do on one draw of a data set, by their factor.

    Attributes:
        data: name of the data set.
        noise: share of defects among its training images.
        scores: float64 `[len(FACTORS), S]`, leave-one-image-out scores of training images.
        aurocs: float64 `[len(FACTORS), 2]`, image AUROC of the test images, overlap and no overlap.
        oracle: the same without the injected images, float64 `[2]`.
    """

    data: str
    noise: float
    scores: NDArray[np.float64]
    aurocs: NDArray[np.float64]
    oracle: NDArray[np.float64]

    def measure(self, rule: FactorRule) -> NDArray[np.float64]:
        """Return the image AUROC that a rule reaches, interpolated, float64 `[2]`."""
        factor = choose_factor(self.scores, rule=rule)
        return np.array([np.interp(factor, FACTORS, each) for each in self.aurocs.T])

    def lose(self, rule: FactorRule) -> float:
        """Return the distance to the oracle; of clean images that is PatchCore."""
        return float((self.oracle - self.measure(rule)).mean())


def choose_rule(curves: Sequence[Curve]) -> FactorRule:
    """Choose the best of `RULES` on these data sets, as the module says."""
    clean = [curve for curve in curves if not curve.noise]
    fair = [rule for rule in RULES if all(curve.lose(rule) <= _LOSS for curve in clean)] or list(RULES)
    noisy = [curve for curve in curves if curve.noise]
    if not noisy:
        return FactorRule()
    return min(fair, key=lambda rule: np.mean([curve.lose(rule) for curve in noisy]))


def tabulate(curves: Sequence[Curve]) -> pd.DataFrame:
    """Choose the constants without each data set, and confirm them on it."""
    rows = []
    for name in [*dict.fromkeys(curve.data for curve in curves), ""]:
        rule = choose_rule([curve for curve in curves if curve.data != name])
        own = [curve for curve in curves if curve.data == name] or list(curves)
        row = {"without": name or "none", "trusted": rule.trusted, "rise": rule.rise, "raised": rule.raised}
        for title, chosen in (("chosen", rule), ("default", FactorRule())):
            clean = [curve.lose(chosen) for curve in own if not curve.noise]
            noisy = [curve.lose(chosen) for curve in own if curve.noise]
            row[f"{title}: lost, clean"] = max(clean, default=float("nan"))
            row[f"{title}: to the oracle, noise"] = float(np.mean(noisy)) if noisy else float("nan")
        rows.append(row)
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Choose the constants and write the page; return the exit code."""
    return run(_parser(), _work, arguments)


def _parser() -> Parser:
    parser = make_parser("research.constants", __doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a folder of categories in MVTec AD's layout")
    add("--categories", nargs="+", metavar="NAME", help="default: all of --data")
    add("--out", type=Path, default=Path("benchmarks"), help="for CONSTANTS.md (default: %(default)s)")
    add("--work", type=Path, help="features and more, which can be deleted afterwards (default: OUT/work)")
    add("--weights", type=Path, help="of ResNet-18 (default: torchvision's own, downloaded)")
    add("--resize", type=int, default=256)
    add("--crop", type=int, default=224)
    return parser


def _work(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    work = options.work or options.out / "work"
    preprocessing = Preprocessing(resize=options.resize, crop=options.crop)
    network = Network.load("resnet18", options.weights, preprocessing, work / "networks")
    curves = []
    for folder in track(find_categories(options.data, options.categories), "data sets"):
        plan = PLANS.get(folder.name, Plan())
        category = Category.find(folder, plan.max_images)
        with hide_bars():
            data = load_dataset(category, network, work, plan.ratio)
            for noise in plan.noises:
                half = HALVES[1] if noise and enough_defects(category, noise, HALVES[1]) else ALL
                if enough_defects(category, noise, half):
                    curves.append(_trace(Sandbox(data, noise, half, 0, work / "denoising")))
    table = tabulate(curves)
    table.to_csv(make_results_folder(options.out) / "constants.csv", index=False, float_format="%.4f")
    usual = FactorRule()
    page = [
        "# The constants of floors, leave one set out",
        "Made by `python -m softcore_benchmarks.research.constants`; ResNet-18, one draw of the noise from "
        "the half of the defects that confirms (from all of them where a half isn't enough).",
        "The factor of floors is the largest at which they raise the scores of at most the share *raised* of "
        "the *trusted* images by more than *rise*. Each row has the constants that are best without one data "
        "set: those that lose at most 0.005 of image AUROC on every clean set, and of these the ones that "
        "come nearest to the oracle where there is noise. The figures are of the data set that was left out: "
        "what is lost against PatchCore on its clean images, and the mean distance to the oracle with noise, "
        "with these constants and with the default's "
        f"({usual.trusted:g}, {usual.rise:g}, {usual.raised:g}). The last row is of all sets. Evidence of "
        "contamination, with which an export is bolder, counts as none here.",
        str(table.to_markdown(index=False, floatfmt=("", "g", "g", "g", ".3f", ".3f", ".3f", ".3f"))),
    ]
    print(write_page(options.out, "CONSTANTS.md", page))


def _trace(box: Sandbox) -> Curve:
    estimate = box.estimate(_STRICT)
    vouchers = list_vouchers(box, estimate.images <= 1)
    floors = vouchers.floors(np.arange(box.size))
    aurocs = [
        box.measure(box.score_with_floors(np.float32(factor) * floors, estimate.kept)) for factor in FACTORS
    ]
    known = np.broadcast_to(~box.injected[:, None], box.features.shape[:2])
    scores = score_left_out(box, vouchers, estimate.kept)
    noise = float(box.injected.mean())
    return Curve(box.data.name, noise, scores, np.array(aurocs), np.array(box.measure(box.score(known))))


if __name__ == "__main__":
    sys.exit(main())
