"""Learning: what a reviewer's looks and taught defects gain, on parts that were never shown.

    python -m softcore_benchmarks.learning --data DATASETS --weights resnet18.pth --out benchmarks

Puts defects among the training images. *Looks*: a truthful reviewer looks at the images in the order that
`--review` asks for them, or by suspicion alone; the memory bank is learned again after 10, 20, 40 and 80
looks. *Taught*: 4, 8 and 16 defects of half of the classes are confirmed, as with `--bad`, at each resolution
and at the one that `--resolution auto` takes with them.

What was measured is kept in --work, and isn't measured again: an interrupted run goes on, and --report writes
what there is. LEARNING.md, results/learning-*.csv and results/learning.png are written into --out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from softcore_runtime.cli.command_line import run

from softcore_benchmarks.data.category import Category, find_categories
from softcore_benchmarks.learning.bench import Bench
from softcore_benchmarks.learning.looks import measure_looks
from softcore_benchmarks.learning.report import write_report
from softcore_benchmarks.learning.teaching import measure_teaching
from softcore_benchmarks.measuring.commands import check_weights, make_data_parser

CATEGORIES = ("magnetic_tile", "mvtec_pill", "screw")
SIDES = (224, 448)
_FINE = ("screw",)  # that are reviewed at the larger size, too


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = make_data_parser("learning", __doc__)
    parser.add_argument("--categories", nargs="+", default=list(CATEGORIES), metavar="NAME")
    parser.add_argument("--draws", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--max-images", type=int, default=100, help="training images (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="features and results (default: OUT/work)")
    parser.add_argument("--report", action="store_true", help="measure nothing, and write the report")
    return run(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    check_weights(options.weights)
    work = options.work or options.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"learning-{options.max_images}.jsonl"
    if not options.report:
        for draw in range(options.draws):
            for folder in find_categories(options.data, options.categories):
                _measure(Category.find(folder).thin(options.max_images), draw, options.weights, work, file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    looks = pd.DataFrame([row for row in rows if "looks" in row])
    taught = pd.DataFrame([row for row in rows if "taught" in row])
    print(write_report(looks, taught, options.max_images, options.out))


def _measure(category: Category, draw: int, weights: Path, work: Path, file: Path) -> None:
    """Measure what isn't in the file yet, and append it."""
    known = file.read_text() if file.exists() else ""
    benches: dict[int, Bench] = {}

    def open_bench(side: int) -> Bench:
        if side not in benches:
            benches[side] = Bench.open(category, side, weights, work)
        return benches[side]

    for side in SIDES if category.name in _FINE else SIDES[:1]:
        key = {"part": f"looks {category.name} {side} {draw}"}
        if json.dumps(key) not in known:
            bench = open_bench(side)
            _append(file, [*measure_looks(bench, bench.draw(draw)), key])
    key = {"part": f"taught {category.name} {draw}"}
    if json.dumps(key) not in known:
        both = {side: open_bench(side) for side in SIDES}
        _append(file, [*measure_teaching(both, draw, weights, work), key])


def _append(file: Path, rows: Iterable[Mapping[str, object]]) -> None:
    with file.open("a") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
