"""Latency report: LATENCY.md with its plot, from the measurements of `latency.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from softcore_benchmarks.measuring.interleaving import Times
from softcore_benchmarks.measuring.results import write_json, write_page

__all__ = ["Measured", "write_report"]


@dataclass(frozen=True)
class Measured:
    """Measurements of a category.

    Attributes:
        machine: description of the machine.
        images: number of training images.
        entries: number of entries of each memory bank.
        hints: number of hints at a position, by network.
        auroc: image AUROC, by system.
        milliseconds: of a frame, by `good` and `bad` parts and system; the network alone is
            `...: bare network`.
        stages: patches of a frame that each stage settled, of the first network, by parts and method.
        first_decision_seconds: from the start of `softcore-edge`'s process, with the first network.
        peak_mb: peak memory of that process, megabytes.
    """

    machine: str
    images: int
    entries: int
    hints: dict[str, int]
    auroc: dict[str, float]
    milliseconds: dict[str, dict[str, Times]]
    stages: dict[str, dict[str, float]]
    first_decision_seconds: float
    peak_mb: float

    def fastest(self, start: str) -> str:
        """Return the name of the fastest system whose name begins with `start`, on good parts."""
        times = {
            name: row.median for name, row in _systems(self.milliseconds["good"]) if name.startswith(start)
        }
        return min(times, key=times.__getitem__)


def write_report(found: Mapping[str, Measured], out: Path) -> Path:
    """Write LATENCY.md, results/latency.json and results/latency.png into `out`; return the first's path."""
    write_json(out, "latency", {name: asdict(row) for name, row in found.items()})
    _plot(found, out / "results" / "latency.png")
    return write_page(out, "LATENCY.md", _describe(found))


def _describe(found: Mapping[str, Measured]) -> Iterator[str]:
    """Yield the page's paragraphs."""
    one = next(iter(found.values()))
    yield "# From a frame to its decision"
    yield (
        f"Made by `python -m softcore_benchmarks.latency` on: {one.machine}. ResNet-18 to layer3, the "
        "whole frame in 224 pixels (448 where it says so), coreset ratio 0.1; whole decoded frames, "
        "all systems in turn. *x bare* is the ratio of the medians to the same engine's network alone on the "
        "same crop; beside p95 stands its own ratio to that network's median."
    )
    yield "![Milliseconds of a frame](results/latency.png)"
    for name, row in found.items():
        yield f"## {name}: {row.images} training images, {row.entries:,} entries"
        yield str(_table(row).to_markdown(index=False, disable_numparse=True))
        if any(system.startswith("anomalib") for system in row.auroc):
            theirs = row.fastest("anomalib")
            yield _compare(row, theirs, "fastest")
            if theirs != "anomalib onnx" and "anomalib onnx" in row.auroc:
                yield _compare(row, "anomalib onnx", "ONNX")
        first = next(iter(row.hints))
        stages = pd.DataFrame(row.stages).T.reset_index(names=f"{first}, patches a frame")
        yield str(stages.to_markdown(index=False, floatfmt=".1f"))
        yield (
            f"`softcore-edge` with {first}: first decision {row.first_decision_seconds:.2f} s after its "
            f"process's start, {row.peak_mb:.0f} MB of memory at most."
        )


def _compare(row: Measured, theirs: str, called: str) -> str:
    """Return a sentence on how much faster `decide` is than one of anomalib's forms, on good parts."""
    good = row.milliseconds["good"]
    ratios = ", ".join(
        f"{good[theirs].median / good[f'{network}: decide'].median:.1f} with {network}"
        for network in row.hints
    )
    return f"Times that `decide` is faster than anomalib's {called} form (*{theirs}*), good parts: {ratios}."


def _systems(times: Mapping[str, Times]) -> Iterator[tuple[str, Times]]:
    """Yield the systems without the bare networks."""
    return ((name, row) for name, row in times.items() if not name.endswith("bare network"))


def _tail(times: Times) -> str:
    """Return the 95th percentile and its ratio to the median of the reference."""
    return f"{times.p95:.1f} ({times.p95 / times.median * times.ratio:.2f} x)"


def _table(row: Measured) -> pd.DataFrame:
    good, bad = row.milliseconds["good"], row.milliseconds["bad"]
    table: pd.DataFrame = pd.DataFrame(
        {
            "": name,
            "good parts, ms": f"{good[name].median:.1f}",
            "p95": _tail(good[name]),
            "x bare": "" if name.endswith("bare network") else f"{good[name].ratio:.2f}",
            "bad parts, ms": f"{bad[name].median:.1f}",
            "p95 ": _tail(bad[name]),
            "x bare ": "" if name.endswith("bare network") else f"{bad[name].ratio:.2f}",
            "image AUROC": f"{row.auroc[system]:.4f}" if (system := name.split(":")[0]) in row.auroc else "",
        }
        for name in good
    )
    return table


def _plot(found: Mapping[str, Measured], path: Path) -> None:
    """Draw a panel for each category: milliseconds of good parts, the bare network's share darker."""
    figure, axes = plt.subplots(
        1, len(found), figsize=(6.5 * len(found), 7), squeeze=False, layout="constrained"
    )
    for axis, (category, row) in zip(axes[0], found.items(), strict=True):
        systems = list(_systems(row.milliseconds["good"]))[::-1]
        names = [name for name, _ in systems]
        axis.barh(names, [times.median for _, times in systems], color="#9bb7d4", label="whole frame")
        alone = [times.median / times.ratio for _, times in systems]
        axis.barh(names, alone, color="#33658a", label="its bare network")
        for y, (_, times) in enumerate(systems):
            axis.text(
                times.median, y, f" {times.median:.1f} ms, {times.ratio:.2f} x", va="center", fontsize=8
            )
        axis.set_title(f"{category}, good parts, {row.entries:,} entries")
        axis.set_xlabel("milliseconds a frame, median")
        axis.set_xlim(0, 1.3 * max(times.median for _, times in systems))
        axis.legend(loc="upper right")
    figure.savefig(path, dpi=110)
    plt.close(figure)
