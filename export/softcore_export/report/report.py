"""Report: renders `report.html`, what an export found out, for the engineer who decides what to do next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.alignment.aligned_preprocessing import align_frame
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.language.catalogue import Language

from softcore_export.contamination.choices import choices_path
from softcore_export.contamination.contamination import ImageRecord
from softcore_export.report.environment import make_environment
from softcore_export.report.exam_section import describe_section
from softcore_export.report.heat_map import draw_heat, encode, lay_heat, resize
from softcore_export.report.histogram import make_histogram
from softcore_export.report.report_data import ReportData

__all__ = ["FILE", "ReportData", "render_report", "write_report"]

FILE = "report.html"

_DECISIONS = {"kept": "kept", "patches excluded": "patches excluded", "picture excluded": "image excluded"}

_Image = NDArray[np.uint8]  # BGR [h, w, 3]

_FEW = 20  # training images; a threshold from fewer says little
_SHOWN, _LEAST = 24, 6  # suspects
_SAMPLES, _INPUTS = 12, 3  # images averaged behind the coreset map, and those of them that are shown
_THUMBNAIL = 320  # pixels of the longer side
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class _Suspect:
    """A suspect on the page; `image` and `heat` are `data:` URIs, or `missing` says why there are none."""

    record: ImageRecord
    chosen: bool
    why: str
    missing: str
    image: str = ""
    heat: str = ""


def render_report(data: ReportData, language: Language = "en") -> str:
    """Render the report as one HTML page that loads nothing from elsewhere, in a language.

    A few images are read again, to show them. The page says so where one is missing by now.
    """
    return _render(data, sum(record.bytes for record in data.manifest.files.values()), language)


def write_report(folder: Path, data: ReportData, language: Language = "en") -> None:
    """Write the report in a language into a bundle's folder after the other files, whose size it states."""
    there = (path for path in folder.rglob("*") if path.is_file() and path != folder / FILE)
    page = _render(data, sum(path.stat().st_size for path in there), language)
    (folder / FILE).write_text(page, encoding="utf-8")


def _render(data: ReportData, size: int, language: Language) -> str:
    manifest, images, names = data.manifest, data.contamination.images, data.images.names
    rows = {name: row for row, name in enumerate(names)}
    suspicion = np.array([record.suspicion for record in images])
    order = np.array([rows[record.path] for record in images])
    suspect = np.zeros(len(names), np.bool_)
    suspect[order] = suspicion > 1
    shares = data.scores / manifest.threshold.value
    floors = data.floors / manifest.threshold.value
    worth_showing = [
        record
        for place, record in enumerate(images)
        if place < _LEAST or record.suspicion > 1 or record.sha256 in data.choices.images
    ]
    entries = np.bincount(data.origins[:, 0], minlength=len(names))  # [N]
    most = np.argsort(-entries, kind="stable")[:_LEAST]
    inputs, mean, averaged = _read_samples(data)
    positions = _count_positions(data)
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (16, 1))

    environment = make_environment(language)
    page = environment.get_template("report.html.j2").render(
        data=data,
        manifest=manifest,
        size=size,
        few=_FEW,
        decisions=_DECISIONS,
        choices_file=choices_path(Path(manifest.category)).name,
        chosen=sum(digest in data.choices.images for digest in data.images.digests),
        suspects=[_describe_suspect(data, rows[record.path], record) for record in worth_showing[:_SHOWN]],
        suspect_count=int(suspect.sum()),
        unshown=len(worth_showing[_SHOWN:]),
        excluded=int((~data.kept).sum()),
        suspicion_chart=make_histogram(suspicion, suspicion > 1),
        score_chart=make_histogram(shares, suspect),
        failing=[names[row] for row in np.argsort(-shares) if shares[row] > 1 and not suspect[row]],
        failing_suspects=int(((shares > 1) & suspect).sum()),
        floor_chart=make_histogram(floors.astype(np.float64), floors > 1),
        above=int((floors > 1).sum()),
        inputs=inputs,
        averaged=averaged,
        coreset_map=encode(_map_positions(positions, mean)),
        busiest=int(positions.max()),
        unused=int((positions == 0).sum()),
        givers=[(names[row], int(entries[row])) for row in most if entries[row]],
        silent=[name for name, count in zip(names, entries, strict=True) if count == 0],
        typical=float(np.median(entries)),
        reference=encode(data.alignment.reference.image) if data.alignment.reference else "",
        scale=encode(lay_heat(np.full((16, 256, 3), 128, np.uint8), ramp)),
        skipped=[line.replace(f"{data.images.folder}/", "") for line in data.images.skipped],
        repeated=[copy for copy in data.contamination.copies if copy.alike != "near"],
        near=data.contamination.near,
        exam=describe_section(data.exam) if data.exam else None,
        total=max(sum(data.seconds.values()), 1e-9),
    )
    return to_text(page)  # the name of a folder may be any bytes


def _describe_suspect(data: ReportData, row: int, record: ImageRecord) -> _Suspect:
    grid = (data.manifest.grid.height, data.manifest.grid.width)
    chosen = data.images.digests[row] in data.choices.images
    why = _explain(data, row, record.suspicion)
    seen = _read_again(data.images.paths[row], data)
    if isinstance(seen, str):
        return _Suspect(record, chosen, why, missing=seen)
    suspicion, kept = data.patch_suspicion[row].reshape(grid), data.kept[row].reshape(grid)
    heat = encode(resize(draw_heat(seen[1], suspicion, kept), _THUMBNAIL))
    return _Suspect(record, chosen, why, "", encode(resize(seen[1], _THUMBNAIL)), heat)


def _explain(data: ReportData, row: int, suspicion: float) -> str:
    """Explain which patches of an image are excluded and why, and what a person's choice has overruled."""
    bank, out = data.manifest.bank, ~data.kept[row]
    choice = data.choices.images.get(data.images.digests[row])
    some = f"{out.sum()} of its {len(out)} patches"
    if choice is None:
        if not out.any():
            return "All of it is used."
        if bank.discriminator == "auto":
            return f"Excluded: {some}, for being too unlike the same place in the other images."
        return f"Excluded: {some}, for being among the most unusual {100 * bank.tau:g} % of all."
    did = {
        "keep": "A person chose to use all of it.",
        "exclude": "A person chose to exclude all of it.",
        "exclude patches": f"A person marked what to exclude: {some}.",
    }[choice.action]
    if bank.discriminator not in ("auto", "none"):
        return did  # which patches the fixed share would have excluded isn't known here
    would = (data.patch_suspicion[row] > 1) & (suspicion > 1 and bank.discriminator == "auto")
    if np.array_equal(out, would):
        return f"{did} The export would have done the same."
    instead = f"excluded {would.sum()} of its {len(out)} patches" if would.any() else "used all of it"
    return f"{did} This overrules the export, which would have {instead}."


def _read_samples(data: ReportData) -> tuple[list[tuple[str, str, str, str]], NDArray[np.float32], int]:
    """Read a few images, evenly spread over the training order.

    Returns:
        (name, frame, crop, fault) of the images to show, the mean crop (float32 `[h, w, 3]`; grey if no image
        could be read), and the number of images that it is the mean of.
    """
    preprocessing, count = data.manifest.preprocessing, len(data.images.paths)
    rows = np.unique(np.linspace(0, count - 1, min(count, _SAMPLES)).round().astype(int))
    shown = set(rows[:: math.ceil(len(rows) / _INPUTS)].tolist())
    total = np.zeros((*preprocessing.canvas, 3), np.float32)
    inputs: list[tuple[str, str, str, str]] = []
    read = 0
    for row in rows.tolist():
        seen = _read_again(data.images.paths[row], data)
        if isinstance(seen, str):
            if row in shown:
                inputs.append((data.images.names[row], "", "", seen))
            continue
        frame, crop = seen
        total, read = total + crop, read + 1
        if row in shown:
            outlined = encode(_outline_window(frame, preprocessing))
            inputs.append((data.images.names[row], outlined, encode(resize(crop, _THUMBNAIL)), ""))
    return inputs, total / np.float32(read) if read else total + np.float32(128), read


def _read_again(path: Path, data: ReportData) -> tuple[_Image, _Image] | str:
    """Read an image again; return the aligned frame and its crop, or why it can't be read any more."""
    preprocessing = data.manifest.preprocessing
    try:
        frame = align_frame(data.alignment.align(preprocessing), preprocessing.read(path))
        return frame, preprocessing.apply(frame)
    except (FrameError, ImageError):
        return "can no longer be read" if path.exists() else "no longer there"


def _outline_window(frame: _Image, preprocessing: Preprocessing) -> _Image:
    """Draw an outline around the inspected part of a frame, and darken the rest."""
    image = resize(frame, _THUMBNAIL)
    window = preprocessing.window(*image.shape[:2])
    left, top = round(window.x), round(window.y)
    right, bottom = round(window.x + window.width), round(window.y + window.height)
    drawn = image // 3
    outline = preprocessing.windows.outline if preprocessing.windows else ()
    if outline:
        polygons = [(np.array(polygon) * image.shape[1::-1]).round().astype(np.int32) for polygon in outline]
        inside = cv2.fillPoly(np.zeros(image.shape[:2], np.uint8), polygons, 1) > 0
        drawn[inside] = image[inside]
        # Of the area, not the polygons: these have lines to their holes.
        edges = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
        for colour, thick in ((_BLACK, 3), (_WHITE, 1)):
            cv2.drawContours(drawn, edges, -1, colour, thick, cv2.LINE_AA)
        return drawn
    drawn[top:bottom, left:right] = image[top:bottom, left:right]
    for colour, thick in ((_BLACK, 3), (_WHITE, 1)):
        cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), colour, thick)
    return drawn


def _count_positions(data: ReportData) -> NDArray[np.int64]:
    """Count the bank's entries from each grid position, `[H, W]`."""
    counts = np.zeros((data.manifest.grid.height, data.manifest.grid.width), np.int64)
    np.add.at(counts, (data.origins[:, 1], data.origins[:, 2]), 1)
    return counts


def _map_positions(counts: NDArray[np.int64], mean: NDArray[np.float32]) -> _Image:
    """Draw counts `[H, W]` as heat over the mean image, one cell per position."""
    image = resize((0.6 * mean).astype(np.uint8), 448)
    shares = (counts / counts.max()).astype(np.float32)
    cells = cv2.resize(shares, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return lay_heat(image, np.asarray(cells))
