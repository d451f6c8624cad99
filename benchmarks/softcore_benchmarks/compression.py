"""Compression: whether frames are noticed that were compressed in another way than the training images.

    python -m softcore_benchmarks.compression --data DATASETS --out benchmarks

A random half of each category's training images is learned from; the other half is seen later. Both are
taken unchanged, as JPEG and as H.264 (by ffmpeg), in all pairs; the later ones in all runs of four
(`softcore_runtime.images.compression`). Writes COMPRESSION.md and results/compression.csv into --out: the
change of each trace, and the share of runs that are reported as different. Then the factors of the comparison
are chosen anew without each category and tried on it.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from softcore_runtime.cli.command_line import run
from softcore_runtime.errors import UsageError
from softcore_runtime.images.compression import ENOUGH, LEAST, SHARES, SPREADS, measure_compression
from softcore_runtime.images.image_file import find_images, read_image

from softcore_benchmarks.data.category import GOOD, find_categories
from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.results import make_results_folder

__all__ = ["Pair", "encode_video", "measure_category"]

Images = list[NDArray[np.uint8]]
Factors = tuple[float, ...]  # multiple of the spread, and least difference; of `blocks`, then of `flat`

_LARGEST = 60  # images of each half
_PLAIN = "as it was"
_LEARNED = (_PLAIN, "JPEG 90", "H.264, crf 23")
_SEEN = (_PLAIN, "JPEG 95", "JPEG 90", "JPEG 75", "H.264, crf 18", "H.264, crf 23", "H.264, crf 28")
_FACTORS = tuple(
    itertools.product((1.5, 2, 2.5, 3), (0.005, 0.01, 0.02), (1, 1.5, 2, 2.5, 3), (0.05, 0.08, 0.1, 0.15))
)
_USED = (SPREADS["blocks"], LEAST["blocks"], SPREADS["flat"], LEAST["flat"])
_WEIGHT = 20  # of a run reported without cause, relative to one that is missed


@dataclass(frozen=True, eq=False)
class Pair:
    """Images that were learned from, and images that are seen later.

    Attributes:
        category: name of the category.
        stored: suffix of the category's files.
        learned, seen: compression of either.
        known: float64 `[N, 2]`, traces of the images that were learned from.
        later: float64 `[n, 2]`, traces of the images that are seen later.
    """

    category: str
    stored: str
    learned: str
    seen: str
    known: NDArray[np.float64]
    later: NDArray[np.float64]

    @property
    def cause(self) -> str:
        """Whether a difference should be reported: no, yes, or perhaps, if images are encoded twice."""
        if self.learned == self.seen:
            return "no"
        twice = self.stored != "png" and not any("H.264" in way for way in (self.learned, self.seen))
        both = "JPEG" in self.learned and "JPEG" in self.seen
        return "perhaps" if twice or both or {self.learned, self.seen} <= {*_SEEN[4:]} else "yes"

    def share(self, factors: Factors = _USED) -> float:
        """Return the share of runs that are reported as different."""
        runs = np.lib.stride_tricks.sliding_window_view(self.later, ENOUGH, axis=0)  # [n', 2, 4]
        away = np.abs(np.median(runs, axis=2) - np.median(self.known, axis=0))
        spreads, least = np.array(factors[::2]), np.array(factors[1::2])
        return float((away > np.maximum(least, spreads * self.known.std(axis=0))).any(axis=1).mean())


def measure_category(name: str, stored: str, learned: Images, seen: Images) -> Iterator[Pair]:
    """Encode and measure both halves of a category's images in all pairs of compressions."""
    known = {way: _measure(_encode(learned, way)) for way in _LEARNED}
    later = {way: _measure(_encode(seen, way)) for way in _SEEN}
    for one, other in itertools.product(_LEARNED, _SEEN):
        yield Pair(name, stored, one, other, known[one], later[other])


def encode_video(images: Images, factor: int) -> Images:
    """Encode images as H.264 at a constant rate factor and decode them; they are cut to the smallest.

    Raises:
        UsageError: ffmpeg is missing or fails.
    """
    height, width = (
        min(sides) // 2 * 2 for sides in zip(*(image.shape[:2] for image in images), strict=True)
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "video.mp4"
        command = ["ffmpeg", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s"]
        command += [f"{width}x{height}", "-r", "5", "-i", "-", "-c:v", "libx264", "-preset", "veryfast"]
        command += ["-crf", str(factor), "-pix_fmt", "yuv420p", str(file)]
        frames = b"".join(np.ascontiguousarray(image[:height, :width]).tobytes() for image in images)
        try:
            subprocess.run(command, input=frames, check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            raise UsageError(f"ffmpeg can't encode ({error}); install it: apt install ffmpeg") from error
        video = cv2.VideoCapture(str(file))
        found: Images = []
        while True:
            there, frame = video.read()
            if not there:
                return found
            found.append(np.asarray(frame, np.uint8))


def _encode(images: Images, way: str) -> Images:
    kind, _, number = way.rpartition(" ")
    if kind == "JPEG":
        options = [cv2.IMWRITE_JPEG_QUALITY, int(number)]
        packed = (cv2.imencode(".jpg", image, options)[1] for image in images)
        return [np.asarray(cv2.imdecode(one, cv2.IMREAD_COLOR), np.uint8) for one in packed]
    return encode_video(images, int(number)) if kind.startswith("H.264") else images


def _measure(images: Images) -> NDArray[np.float64]:
    return np.array([traces for image in images if (traces := measure_compression(image)) is not None])


def _choose(pairs: Sequence[Pair]) -> Factors:
    """Choose the factors that report most runs with cause and fewest without."""
    return max(
        _FACTORS, key=lambda factors: _mean(pairs, "yes", factors) - _WEIGHT * _mean(pairs, "no", factors)
    )


def _mean(pairs: Sequence[Pair], cause: str, factors: Factors = _USED) -> float:
    return float(np.mean([pair.share(factors) for pair in pairs if pair.cause == cause]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the results; return the exit code."""
    parser = make_parser("compression", __doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="of categories")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for report and results")
    parser.add_argument("--categories", nargs="+", metavar="NAME", help="default: all there")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> None:
    pairs: list[Pair] = []
    for folder in find_categories(options.data, options.categories):
        paths = find_images(folder / "train" / GOOD)
        order = np.random.default_rng(0).permutation(len(paths))
        images = [read_image(paths[number]) for number in order[: 2 * _LARGEST]]
        half = len(images) // 2
        pairs += measure_category(folder.name, paths[0].suffix[1:].lower(), images[:half], images[half:])
    table = pd.DataFrame([_describe(pair) for pair in pairs])
    table.to_csv(make_results_folder(options.out) / "compression.csv", index=False)
    report = options.out / "COMPRESSION.md"
    report.write_text(_write(pairs, table))
    print(report)


def _describe(pair: Pair) -> dict[str, object]:
    changes = np.median(pair.later, axis=0) - np.median(pair.known, axis=0)
    return {
        "category": pair.category,
        "stored as": pair.stored,
        "learned": pair.learned,
        "seen": pair.seen,
        **{name: round(float(change), 3) for name, change in zip(SHARES, changes, strict=True)},
        "cause": pair.cause,
        "told": round(pair.share(), 3),
    }


def _write(pairs: Sequence[Pair], table: pd.DataFrame) -> str:
    names = list(dict.fromkeys(pair.category for pair in pairs))
    without, cause = _mean(pairs, "no"), _mean(pairs, "yes")
    rows = []
    for name in names:
        own = [pair for pair in pairs if pair.category == name]
        row: dict[str, object] = {"category": name}
        row |= {"told without cause": _mean(own, "no"), "told with cause": _mean(own, "yes")}
        if len(names) > 1:
            factors = _choose([pair for pair in pairs if pair.category != name])
            row["factors without it"] = ", ".join(f"{factor:g}" for factor in factors)
            row |= {
                "then without cause": _mean(own, "no", factors),
                "then with cause": _mean(own, "yes", factors),
            }
        rows.append(row)
    plain = table[table["learned"] == _PLAIN].drop(columns="learned")
    return "\n".join(
        [
            "# Compression: frames that came another way than the training images",
            "",
            "`python -m softcore_benchmarks.compression --data DATASETS --out benchmarks`. One half of a",
            "category's training images is learned from, the other half is seen later; either as it was, or",
            "encoded. Shares of all runs of four images that are told to be of another kind; *cause* says",
            "whether they should be, and is left open where a JPEG or a video is encoded as another.",
            "",
            f"The factors in use: {', '.join(f'{factor:g}' for factor in _USED)} (times the spread, and at",
            "least; of `blocks`, then of `flat`). *Then*: with those that are best on the other categories.",
            "",
            pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3f"),
            "",
            f"On average {without:.2%} are told without cause, and {cause:.1%} with one.",
            "",
            "Learned as they were:",
            "",
            plain.to_markdown(index=False, floatfmt=".3f"),
            "",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
