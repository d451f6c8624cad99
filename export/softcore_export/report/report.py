"""Report: `report.html`, what an export found out, for the engineer who decides what to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_export.contamination.choices import Choices, choices_path
from softcore_export.contamination.contamination import Contamination, ImageRecord
from softcore_export.report.heat_map import encode, heat_image, lay_heat, resize

__all__ = ["FILE", "Facts", "render_report", "write_report"]

FILE = "report.html"

_Image = NDArray[np.uint8]  # BGR [h, w, 3]

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_FEW = 20  # training images, below which a threshold says little
_SHOWN, _LEAST = 24, 6  # suspects
_SAMPLES, _INPUTS = 12, 3  # images behind the coreset map, and of these as the model sees them
_THUMBNAIL = 320  # pixels of the longer side
_BINS, _TOP = 20, 4.0  # columns per threshold, and where a chart ends
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, eq=False)
class Facts:
    """What the report tells, of N images with P = H * W patches each.

    Attributes:
        manifest: the bundle's; its `files` may still be empty.
        contamination: how suspect each of the N images is.
        choices: what a person decided; of images that aren't there, too.
        folder: the training folder, to which `contamination`'s paths are relative.
        paths: `[N]`, the images that were read, in the order of training.
        digests: `[N]`, SHA-256 of their files.
        skipped: a line for each image that couldn't be read.
        patch_suspicion: float32 `[N, P]`, as times the threshold: above 1 a patch is marked.
        kept: bool `[N, P]`; False is excluded from the memory bank.
        origins: int32 `[n, 3]`, training image, row and column of each of the bank's entries.
        scores: float64 `[N]`, leave-one-image-out, in the unit of the manifest's threshold.
        seconds: of each stage.
    """

    manifest: Manifest
    contamination: Contamination
    choices: Choices
    folder: Path
    paths: list[Path]
    digests: list[str]
    skipped: list[str]
    patch_suspicion: NDArray[np.float32]
    kept: NDArray[np.bool_]
    origins: NDArray[np.int32]
    scores: NDArray[np.float64]
    seconds: dict[str, float]

    def __post_init__(self) -> None:
        n, patches = len(self.paths), self.manifest.grid.height * self.manifest.grid.width
        shapes = [list(a.shape) for a in (self.patch_suspicion, self.kept, self.origins, self.scores)]
        expected = [[n, patches], [n, patches], [self.manifest.bank.n, 3], [n]]
        if shapes != expected:
            raise ValueError(
                f"patch_suspicion, kept, origins and scores must be [N, P], [N, P], [n, 3] and [N] "
                f"= {expected}, not {shapes}"
            )
        if len(self.digests) != n:
            raise ValueError(f"digests must be [N] = [{n}], not [{len(self.digests)}]")
        if sorted(self.names) != sorted(record.path for record in self.contamination.images):
            raise ValueError("contamination must judge just the images in paths")

    @property
    def names(self) -> list[str]:
        """The images' names below the training folder, `[N]`."""
        return [to_text(path.relative_to(self.folder).as_posix()) for path in self.paths]


@dataclass(frozen=True)
class _Suspect:
    record: ImageRecord
    chosen: bool
    why: str
    missing: str
    image: str = ""
    heat: str = ""


@dataclass(frozen=True)
class _Chart:
    """A histogram: each column is (bin, others, suspects, words); `_BINS` bins make one threshold."""

    columns: list[tuple[int, int, int, str]]
    bins: int
    threshold: int  # the first bin above it
    tallest: int
    ticks: list[tuple[float, str]]  # per cent of the width, words


def render_report(facts: Facts) -> str:
    """Render the report: one HTML page that needs nothing beside itself.

    A few images are read again, to show them. One that has vanished since is reported as such.
    """
    return _render(facts, sum(record.bytes for record in facts.manifest.files.values()))


def write_report(folder: Path, facts: Facts) -> None:
    """Write the report into a bundle's folder, whose other files are there already: it tells their size."""
    there = (path for path in folder.rglob("*") if path.is_file() and path != folder / FILE)
    page = _render(facts, sum(path.stat().st_size for path in there))
    (folder / FILE).write_text(page, encoding="utf-8")


def _render(facts: Facts, size: int) -> str:
    manifest, images, names = facts.manifest, facts.contamination.images, facts.names
    rows = {name: row for row, name in enumerate(names)}
    suspicion = np.array([record.suspicion for record in images])
    order = np.array([rows[record.path] for record in images])
    suspect = np.zeros(len(names), np.bool_)
    suspect[order] = suspicion > 1
    shares = facts.scores / manifest.threshold.value
    worth_showing = [
        record
        for place, record in enumerate(images)
        if place < _LEAST or record.suspicion > 1 or facts.digests[rows[record.path]] in facts.choices.images
    ]
    entries = np.bincount(facts.origins[:, 0], minlength=len(names))  # [N]
    most = np.argsort(-entries, kind="stable")[:_LEAST]
    inputs, mean, averaged = _sample(facts)
    positions = _count_positions(facts)
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (16, 1))

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        facts=facts,
        manifest=manifest,
        created=f"{manifest.created.astimezone(timezone.utc):%d %B %Y, %H:%M} UTC".lstrip("0"),
        size=size,
        few=_FEW,
        choices_file=choices_path(Path(manifest.category)).name,
        chosen=sum(digest in facts.choices.images for digest in facts.digests),
        suspects=[_show(facts, rows[record.path], record) for record in worth_showing[:_SHOWN]],
        suspect_count=int(suspect.sum()),
        unshown=len(worth_showing[_SHOWN:]),
        excluded=int((~facts.kept).sum()),
        suspicion_chart=_chart(suspicion, suspicion > 1),
        score_chart=_chart(shares, suspect),
        failing=[names[row] for row in np.argsort(-shares) if shares[row] > 1 and not suspect[row]],
        failing_suspects=int(((shares > 1) & suspect).sum()),
        inputs=inputs,
        averaged=averaged,
        coreset_map=encode(_map_positions(positions, mean)),
        busiest=int(positions.max()),
        unused=int((positions == 0).sum()),
        givers=[(names[row], int(entries[row])) for row in most if entries[row]],
        silent=[name for name, count in zip(names, entries, strict=True) if count == 0],
        typical=float(np.median(entries)),
        scale=encode(lay_heat(np.full((16, 256, 3), 128, np.uint8), ramp)),
        skipped=[line.replace(f"{facts.folder}/", "") for line in facts.skipped],
        repeated=[copy for copy in facts.contamination.copies if copy.alike != "near"],
        near=facts.contamination.near,
        total=max(sum(facts.seconds.values()), 1e-9),
    )
    return to_text(page)  # a folder's name may be no text


def _show(facts: Facts, row: int, record: ImageRecord) -> _Suspect:
    grid = (facts.manifest.grid.height, facts.manifest.grid.width)
    chosen = facts.digests[row] in facts.choices.images
    why = _explain(facts, row, record.suspicion)
    seen = _read(facts.paths[row], facts.manifest.preprocessing)
    if isinstance(seen, str):
        return _Suspect(record, chosen, why, missing=seen)
    suspicion, kept = facts.patch_suspicion[row].reshape(grid), facts.kept[row].reshape(grid)
    heat = encode(resize(heat_image(seen[1], suspicion, kept), _THUMBNAIL))
    return _Suspect(record, chosen, why, "", encode(resize(seen[1], _THUMBNAIL)), heat)


def _explain(facts: Facts, row: int, suspicion: float) -> str:
    """Say what of an image is excluded, and why; where a person chose, also what they overruled."""
    bank, out = facts.manifest.bank, ~facts.kept[row]
    choice = facts.choices.images.get(facts.digests[row])
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
        return did  # a fixed share of all patches: which of these, only the export knew
    would = (facts.patch_suspicion[row] > 1) & (suspicion > 1 and bank.discriminator == "auto")
    if np.array_equal(out, would):
        return f"{did} The export would have done the same."
    instead = f"excluded {would.sum()} of its {len(out)} patches" if would.any() else "used all of it"
    return f"{did} This overrules the export, which would have {instead}."


def _sample(facts: Facts) -> tuple[list[tuple[str, str, str, str]], NDArray[np.float32], int]:
    """Read a few images, evenly spread over the training order.

    Returns:
        (name, frame, crop, what is missing) of those to be shown, the mean crop (float32 `[c, c, 3]`, grey
        without any), and of how many images it is the mean.
    """
    preprocessing, count = facts.manifest.preprocessing, len(facts.paths)
    rows = np.unique(np.linspace(0, count - 1, min(count, _SAMPLES)).round().astype(int))
    shown = set(rows[:: math.ceil(len(rows) / _INPUTS)].tolist())
    total = np.zeros((preprocessing.crop, preprocessing.crop, 3), np.float32)
    inputs: list[tuple[str, str, str, str]] = []
    read = 0
    for row in rows.tolist():
        seen = _read(facts.paths[row], preprocessing)
        if isinstance(seen, str):
            if row in shown:
                inputs.append((facts.names[row], "", "", seen))
            continue
        frame, crop = seen
        total, read = total + crop, read + 1
        if row in shown:
            outlined = encode(_outline_window(frame, preprocessing))
            inputs.append((facts.names[row], outlined, encode(resize(crop, _THUMBNAIL)), ""))
    return inputs, total / np.float32(read) if read else total + np.float32(128), read


def _read(path: Path, preprocessing: Preprocessing) -> tuple[_Image, _Image] | str:
    """Read an image again: the frame and its crop, or what is wrong with it now."""
    try:
        frame = preprocessing.read(path)
        return frame, preprocessing.apply(frame)
    except (FrameError, ImageError):
        return "can no longer be read" if path.exists() else "no longer there"


def _outline_window(frame: _Image, preprocessing: Preprocessing) -> _Image:
    """Outline what is inspected of a frame and darken the rest."""
    image = resize(frame, _THUMBNAIL)
    window = preprocessing.window(*image.shape[:2])
    left, top = round(window.x), round(window.y)
    right, bottom = round(window.x + window.width), round(window.y + window.height)
    drawn = image // 3
    drawn[top:bottom, left:right] = image[top:bottom, left:right]
    for colour, thick in ((_BLACK, 3), (_WHITE, 1)):
        cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), colour, thick)
    return drawn


def _count_positions(facts: Facts) -> NDArray[np.int64]:
    """Count the bank's entries from each grid position, `[H, W]`."""
    counts = np.zeros((facts.manifest.grid.height, facts.manifest.grid.width), np.int64)
    np.add.at(counts, (facts.origins[:, 1], facts.origins[:, 2]), 1)
    return counts


def _map_positions(counts: NDArray[np.int64], mean: NDArray[np.float32]) -> _Image:
    """Lay counts `[H, W]` as heat over the mean image; each position keeps its cell."""
    image = resize((0.6 * mean).astype(np.uint8), 448)
    shares = (counts / counts.max()).astype(np.float32)
    cells = cv2.resize(shares, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return lay_heat(image, np.asarray(cells))


def _chart(values: NDArray[np.float64], suspect: NDArray[np.bool_]) -> _Chart:
    """Make a histogram of values `[N]` in times the threshold; a value equal to it stays below its line."""
    top = min(_TOP, max(1.5, math.ceil(2 * float(values.max())) / 2))
    bins = round(top * _BINS)
    place = np.clip(np.ceil(values * _BINS) - 1, 0, bins - 1).astype(int)
    columns = []
    for i in np.unique(place).tolist():
        marked, others = int((suspect & (place == i)).sum()), int((~suspect & (place == i)).sum())
        to = f"{(i + 1) / _BINS:.2f}" if i + 1 < bins or values.max() <= top else "more"
        columns.append((i, others, marked, f"{i / _BINS:.2f} to {to} x threshold: {others + marked}"))
    step = 0.5 if top <= 2.5 else 1.0
    ticks = [(100 * step * i / top, f"{step * i:g}") for i in range(round(top / step) + 1)]
    if values.max() > top:
        ticks[-1] = (100.0, f"{top:g} and more")
    return _Chart(columns, bins, _BINS, max(8, *(others + marked for _, others, marked, _ in columns)), ticks)
