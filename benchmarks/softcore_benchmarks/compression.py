"""Compression: whether frames that came another way than the training images are noticed.

    python -m softcore_benchmarks.compression --data DATASETS --out benchmarks

Of each category in MVTec AD's layout one random half of the training images is the reference; the other half
follows as it is, as JPEG and as H.264 (by ffmpeg), and the line's control charts take their traces
(`softcore_runtime.compression`), with the default options. Writes COMPRESSION.md and results/compression.csv
into --out: by how much each trace changes, and whether an alarm is raised. What is as it was must raise none.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from softcore_edge_app.health.control_chart import ControlChart
from softcore_edge_app.options import DriftOptions
from softcore_runtime.baseline import measure_baseline, take_logarithm
from softcore_runtime.command_line import Parser, run
from softcore_runtime.compression import TRACES, measure_traces
from softcore_runtime.errors import UsageError
from softcore_runtime.pictures import find_pictures, read_picture

__all__ = ["encode_video", "measure_category"]

Images = list[NDArray[np.uint8]]

_LARGEST = 60  # images of each half
_JPEG, _H264 = (95, 80), (18, 23)  # quality; constant rate factor
_TITLE = "# Compression: frames that came another way than the training images"


def encode_video(images: Images, factor: int) -> Images:
    """Encode images of one size as H.264 at a constant rate factor, and decode them.

    Raises:
        UsageError: ffmpeg is missing or fails.
    """
    height, width = (side // 2 * 2 for side in images[0].shape[:2])
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
        found = []
        while True:
            there, frame = video.read()
            if not there:
                return found
            found.append(np.asarray(frame, np.uint8))


def measure_category(reference: Images, later: Images) -> Iterator[dict[str, object]]:
    """Measure, for each way that images may come, how the traces change and whether an alarm is raised."""
    known = np.array([measure_traces(image) for image in reference])
    baselines = [measure_baseline(values) for values in known.T]
    for way, images in _encode(later):
        row: dict[str, object] = {"way": way}
        alarm = False
        traces = np.array([measure_traces(image) for image in images])
        for name, baseline, values in zip(TRACES, baselines, traces.T, strict=True):
            if baseline is None:
                raise UsageError("too few images for a baseline")
            chart = ControlChart(baseline, DriftOptions())
            for value in values:
                chart.add(take_logarithm(value))
                alarm |= chart.raised["fast"]
            row[name] = round(math.expm1(float(np.log(values).mean()) - baseline.centre), 3)
        yield {**row, "alarm": alarm}


def _encode(images: Images) -> Iterator[tuple[str, Images]]:
    yield "as it was", images
    for quality in _JPEG:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        yield (
            f"JPEG {quality}",
            [
                np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, options)[1], cv2.IMREAD_COLOR), np.uint8)
                for image in images
            ],
        )
    alike = [image for image in images if image.shape == images[0].shape]
    for factor in _H264:
        yield f"H.264, crf {factor}", encode_video(alike, factor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; returns the exit code."""
    parser = Parser("softcore_benchmarks.compression", __doc__ or "")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="of categories")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for report and results")
    parser.add_argument("--categories", nargs="+", metavar="NAME", help="default: all there")
    return run(parser, _measure, arguments)


def _measure(options: argparse.Namespace) -> None:
    there = sorted(path.parents[1].name for path in options.data.glob("*/train/good"))
    rows = []
    for name in options.categories or there:
        if name not in there:
            raise UsageError(f"{options.data / name}: no category with train/good here")
        paths = find_pictures(options.data / name / "train" / "good")
        order = np.random.default_rng(0).permutation(len(paths))
        images = [read_picture(paths[number]) for number in order[: 2 * _LARGEST]]
        half = len(images) // 2
        kind = paths[0].suffix[1:].lower()
        found = measure_category(images[:half], images[half:])
        rows += [{"category": name, "stored as": kind, **row} for row in found]
    table = pd.DataFrame(rows)
    (options.out / "results").mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "results" / "compression.csv", index=False)
    report = options.out / "COMPRESSION.md"
    report.write_text(_write(table))
    print(report)


def _write(table: pd.DataFrame) -> str:
    shown = table.copy()
    for name in TRACES:
        shown[name] = [f"{change:+.1%}" for change in table[name]]
    shown["alarm"] = ["alarm" if alarm else "" for alarm in table["alarm"]]
    same = table[table["way"] == "as it was"]
    others = table[table["way"] != "as it was"]
    return "\n".join(
        [
            _TITLE,
            "",
            "`python -m softcore_benchmarks.compression --data DATASETS --out benchmarks`. How each trace",
            "changes from one half of a category's training images to the other half, as it was and encoded;",
            "an alarm is the fast one of the line's control charts, by default options.",
            "",
            shown.to_markdown(index=False),
            "",
            f"Alarms without cause: {int(same['alarm'].sum())} of {len(same)}. With cause: "
            f"{int(others['alarm'].sum())} of {len(others)}.",
            "",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
