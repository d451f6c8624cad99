"""Paper: the paper's tables and figures on any data set in MVTec AD's layout.

    python -m softcore_benchmarks.paper --data DATASETS --weights resnet18.pth --out paper

trains and tests every method at every noise and writes RESULTS.md with CSVs and plots into --out.
Finished cells (a category, a noise, a method, a seed) are stored in results/cells.jsonl, from which an
interrupted or extended run continues. Each cell trains once and is tested with and without overlap. The
options --categories, --methods, --noise and --seeds compute a part of the tables; the report is always of all
finished cells in --out, and says of the others that they weren't run.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from softcore_runtime.cli.command_line import Parser, run
from softcore_runtime.cli.progress import track
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_benchmarks.baselines.anomalib_process import PYTHON
from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.protocol import cells
from softcore_benchmarks.protocol.classes import list_class_figures, list_class_tables
from softcore_benchmarks.protocol.experiments import Experiment, ExperimentLoader, RunSettings
from softcore_benchmarks.protocol.figures import draw_figures, embed_coresets, plot_embedding
from softcore_benchmarks.protocol.methods import METHODS, SWEEPS
from softcore_benchmarks.protocol.noise import NOISES
from softcore_benchmarks.protocol.published import MVTEC_AD, list_published
from softcore_benchmarks.protocol.report import write_report
from softcore_benchmarks.protocol.tables import average_seeds, list_figures, list_tables

_EMBEDDING = "figure-5-"  # beginning of its file's name; a category follows


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute missing cells and write the report; return the exit code."""
    return run(_parser(), _work, arguments)


def _parser() -> Parser:
    parser = make_parser("paper", __doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a folder of categories in MVTec AD's layout")
    add("--categories", nargs="+", metavar="NAME", help="to compute; default: all of --data")
    add("--out", type=Path, default=Path("paper"), help="RESULTS.md and results/ (default: %(default)s)")
    add("--work", type=Path, help="features, which can be deleted afterwards (default: OUT/work)")
    add("--backbone", default="wide_resnet50_2", help="a network of torchvision (default: %(default)s)")
    add("--weights", type=Path, help="its state dict (default: torchvision's own, downloaded)")
    add("--resnet18-weights", type=Path, help="of PaDiM*, where --backbone is another")
    add("--noise", nargs="+", type=float, default=list(NOISES), help="default: %(default)s")
    add(
        "--methods",
        nargs="+",
        choices=list(METHODS),
        metavar="METHOD",
        help=f"default: all ({', '.join(METHODS)})",
    )
    add("--table-noise", type=float, default=0.1, help="of the tables and sweeps (default: %(default)s)")
    per_category = "one value, or NAME=VALUE for a category; may be repeated"
    add(
        "--coreset-ratio",
        action="append",
        default=[],
        metavar="[NAME=]R",
        help=f"default 0.1; {per_category}",
    )
    add(
        "--max-images",
        action="append",
        default=[],
        metavar="[NAME=]N",
        help=f"first N training images; {per_category}",
    )
    add("--tau", type=float, default=0.15, help="share of patches thrown away (default: %(default)s)")
    add("--lof-k", type=int, default=6, help="neighbours of LOF (default: %(default)s)")
    add("--resize", type=int, default=256)
    add("--crop", type=int, default=224)
    add(
        "--seeds",
        nargs="+",
        type=int,
        default=[0],
        metavar="SEED",
        help="of noise, coresets and dimensions; tables are means over them (default: 0, the protocol's)",
    )
    add(
        "--anomalib-python",
        type=Path,
        default=PYTHON,
        help="an interpreter with anomalib (make anomalib; default: %(default)s)",
    )
    add("--cflow-steps", type=int, default=1000, help="of training (default: %(default)s)")
    add("--redo", action="store_true", help="compute finished cells again, in place of the earlier ones")
    add("--report-only", action="store_true", help="compute nothing: write the report from what is there")
    return parser


def _work(options: argparse.Namespace) -> None:
    for noise in (*options.noise, options.table_noise):
        if not 0 <= noise <= 1:
            raise UsageError(f"--noise {noise:g}: a share from 0 to 1 is needed")
    for option in ("weights", "resnet18_weights"):
        path = getattr(options, option)
        if path and not path.is_file():
            raise UsageError(f"--{option.replace('_', '-')} {path}: no such file")
    if min(options.seeds) < 0:
        raise UsageError(f"--seeds {min(options.seeds)}: 0 or more is needed")
    folders = find_categories(options.data, options.categories)
    names = [folder.name for folder in find_categories(options.data)]
    most = {
        name: int(value) for name, value in _by_category(options.max_images, names, "--max-images").items()
    }
    ratios = _by_category(options.coreset_ratio, names, "--coreset-ratio")
    run = RunSettings(
        backbone=options.backbone,
        weights=options.weights,
        resnet18_weights=options.resnet18_weights,
        preprocessing=Preprocessing(resize=options.resize, crop=options.crop),
        tau=options.tau,
        lof_k=options.lof_k,
        anomalib_python=options.anomalib_python.absolute(),
        cflow_steps=options.cflow_steps,
    )
    categories = [Category.find(folder, most.get(folder.name)) for folder in folders]
    experiments = ExperimentLoader(categories, ratios, run, options.work or options.out / "work")
    if not options.report_only:
        _compute_missing(options, experiments)
    _write(options, experiments)


def _compute_missing(options: argparse.Namespace, experiments: ExperimentLoader) -> None:
    methods = options.methods or list(METHODS)
    noises = sorted({*options.noise})
    wanted = [
        (category, seed, noise, method)
        for category in experiments.categories
        for seed in dict.fromkeys(options.seeds)
        for noise in noises
        for method in methods
        if noise == options.table_noise or not method.startswith(SWEEPS)
    ]
    folder = _results(options)
    done = cells.read_cells(folder)
    loaded: Experiment | None = None
    notes: dict[str, None] = {}
    for category, seed, noise, method in track(wanted, "cells"):
        if loaded is None or loaded.category is not category:
            loaded = experiments.load(category)
        experiment = loaded.with_seed(seed)
        if not cells.enough_defects(experiment, noise):
            notes[f"{category.name}: not enough defects for noise {noise:g}"] = None
        elif cells.find_cell(done, experiment, noise, method) and not options.redo:
            continue
        elif METHODS[method].needs_cflow and not experiment.cflow.exists:
            python = options.anomalib_python
            notes[f"CFLOW: {python} is not there (make anomalib); its rows are left out"] = None
        else:
            cells.append_cell(folder, cells.compute_cell(experiment, noise, method))
    for note in notes:
        print(note, file=sys.stderr)


def _write(options: argparse.Namespace, experiments: ExperimentLoader) -> None:
    folder, noise, seeds = _results(options), options.table_noise, options.seeds
    finished = cells.read_cells(folder)
    kept = [cell for cell in finished if cell.seed in seeds]
    if not kept:
        words = ", ".join(map(str, seeds))
        raise UsageError(f"{folder / cells.FILE}: no finished cell of seed {words}")
    cells.write_cells(folder, finished)  # without those that were computed again
    order = list(dict.fromkeys(cell.category for cell in finished))  # the same, whichever part was computed
    kept.sort(key=lambda cell: (order.index(cell.category), cell.noise, list(METHODS).index(cell.method)))
    figures = list_figures(kept)
    means = average_seeds(figures, seeds)
    images = draw_figures(means, noise, folder)
    embedding = _find_embedding(options, experiments)
    if embedding:
        name = embedding.stem.removeprefix(_EMBEDDING)
        title = f"Figure 5: t-SNE of {name}'s coresets, noise {noise:g}, entries out of defects in red"
        images.insert(min(2, len(images)), (title, embedding))
    tables = [
        *list_tables(means, noise),
        *list_class_tables(list_class_figures(kept), noise, seeds),
        *list_published(kept, means),
    ]
    print(write_report(options.out, _heading(kept, seeds), figures, tables, images))


def _find_embedding(options: argparse.Namespace, experiments: ExperimentLoader) -> Path | None:
    """Return Figure 5, which is drawn if there is none; None if it can't be."""
    folder, noise = _results(options), options.table_noise
    found = min(folder.glob(f"{_EMBEDDING}*.png"), default=None)
    if found or options.report_only:
        return found
    # A category with masks if there is one, since masks say which patches show defects.
    shown = next(
        (category for category in experiments.categories if category.has_masks), experiments.categories[0]
    )
    experiment = experiments.load(shown)
    if not cells.enough_defects(experiment, noise):
        return None
    rows = (("PatchCore", "none"), ("SoftCore-lof", "lof"))
    caption = f"{shown.name}, noise {noise:g}: t-SNE of both coresets"
    made = folder / f"{_EMBEDDING}{shown.name}.png"
    plot_embedding(embed_coresets(experiment, noise, rows), caption, made)
    return made


def _heading(kept: list[cells.Cell], seeds: Sequence[int]) -> list[str]:
    lines = []
    for name in dict.fromkeys(cell.category for cell in kept):
        first = next(cell for cell in kept if cell.category == name)
        good, bad = first.tested_on
        trained = first.trained_on - first.defects
        aside = ("training images", "seed", "CFLOW")
        settings = [f"{key} {value}" for key, value in first.settings.items() if key not in aside]
        lines.append(
            f"* {name}: {trained} training images, {good} good and {bad} bad test images; "
            f"{', '.join(settings)}."
        )
    flows = {cell.settings["CFLOW"] for cell in kept if "CFLOW" in cell.settings}
    if flows:
        lines.append(f"* CFLOW by anomalib: {'; '.join(sorted(flows))} (its authors train for 50 epochs).")
    if len(seeds) > 1:
        lines.append(
            f"* Figures are means of seeds {', '.join(map(str, seeds))}: each draws its own defects."
        )
    if not {cell.category for cell in kept} >= MVTEC_AD:
        lines.append("* MVTec AD as a whole was not run here, nor its averages.")
    return [
        "# Results",
        "Made by `python -m softcore_benchmarks.paper` by the paper's protocol: `k = round(noise * n_train)` "
        "test defects get among the training images. *Overlap* leaves them in the test set too, *no "
        "overlap* takes them out; *clean* is noise 0. *Not run here* marks what wasn't computed or can't be: "
        "there are no masks, not enough defects, or none of a class left. SoftCore-auto is the default, "
        "which isn't told the noise.",
        "\n".join(lines),
        f"{os.cpu_count()} CPUs ({platform.machine()}), no GPU. All figures: "
        "[results/figures.csv](results/figures.csv).",
    ]


def _by_category(values: list[str], names: list[str], option: str) -> dict[str, float]:
    """Read `VALUE` and `NAME=VALUE`, of which the second has precedence.

    Raises:
        UsageError: not a number above 0, or no such category.
    """
    common: dict[str, float] = {}
    special: dict[str, float] = {}
    for value in values:
        name, _, number = value.rpartition("=")
        if name and name not in names:
            raise UsageError(f"{option} {value}: no category {name}; there are: {', '.join(names)}")
        try:
            parsed = float(number)
        except ValueError:
            parsed = 0
        if not parsed > 0:
            raise UsageError(f"{option} {value}: {number!r} is not a number above 0")
        if name:
            special[name] = parsed
        else:
            common = dict.fromkeys(names, parsed)
    return common | special


def _results(options: argparse.Namespace) -> Path:
    return Path(options.out) / "results"


if __name__ == "__main__":
    sys.exit(main())
