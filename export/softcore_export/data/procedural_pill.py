"""Procedural pill: a category to try SoftCore on, drawn here, with training data that is not clean.

An image is drawn as a camera would see the tablet: layers (height, outline, colour, ink, gloss, dirt)
in the tablet's own frame, lit from one side, blurred by the lens, then the sensor's noise. A defect
changes the layers, never the light or the noise, so a good and a bad part differ by the defect alone
and the mask is exact: it is where the two noise-free images differ visibly.

Lengths are in *units*: a 320th of the image's side, so one pixel at the usual size.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import UsageError

__all__ = ["DEFECTS", "draw_category", "draw_pill"]

_Plane = NDArray[np.floating[Any]]  # [size, size]
_Line = tuple[NDArray[np.float64], float]  # points [n, 2] as x, y in units; width in units

_SMALLEST = 64  # pixels of a side; below, the imprint is no longer drawn by whole pixels
_HALF_LENGTH, _HALF_WIDTH, _DOME = 119.0, 64.0, 25.0  # units
_POWER = 2.5  # of the superellipse that is the outline: between an ellipse and a rounded box
_IVORY, _APRICOT, _CORE = (0.66, 0.77, 0.82), (0.17, 0.37, 0.70), (0.80, 0.84, 0.86)  # BGR reflectances
_INK, _DIRT, _TABLE = (0.055, 0.045, 0.045), (0.030, 0.035, 0.045), (0.066, 0.058, 0.052)
_VISIBLE = 2.5  # grey levels, twice the sensor's noise: what a defect must change to be in the mask


@dataclass(frozen=True, eq=False)
class _Part:
    """A tablet as it lies: where each pixel is on it, and its layers.

    Attributes:
        unit: pixels of a unit.
        x, y: position of each pixel on the tablet, from its middle, along and across it, in units.
        pose: float64 `[2, 3]`, from the tablet's frame (units) to the image (pixels).
        height: of the surface above the rim, in pixels.
        cover: 1 on the tablet, 0 beside it, between on its outline.
        colour: reflectances of the coating, blue, green and red.
        ink: share of the coating that the imprint hides.
        gloss: 1 where the coating is whole.
        dirt: share that foreign matter hides, on the tablet and beside it.
    """

    unit: float
    x: _Plane
    y: _Plane
    pose: NDArray[np.float64]
    height: _Plane
    cover: _Plane
    colour: tuple[_Plane, _Plane, _Plane]
    ink: _Plane
    gloss: _Plane
    dirt: _Plane


@dataclass(frozen=True, eq=False)
class _Light:
    """How a part is lit, the same whether it is good or bad.

    Attributes:
        direction: unit vector towards the lamp: right, down, towards the camera.
        strength: illumination of each pixel, with its gradient over the image.
        table: brightness of the matte table, with the good part's soft shadow on it.
    """

    direction: tuple[float, float, float]
    strength: _Plane
    table: _Plane


def draw_pill(
    rng: np.random.Generator, defect: str | None = None, size: int = 320
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one image of the pill.

    Good parts vary in pose, tint, coating speckle, imprint (place, turn, density) and light. All that and
    the noise come from one stream and the defect from another: the same generator gives the same part
    with and without its defect, equal at every pixel outside the mask.

    Args:
        rng: where every choice comes from; two draws are taken from it.
        defect: one of `DEFECTS`, or None for a good part.
        size: side of the image in pixels, at least 64.

    Returns:
        The image, uint8 BGR `[size, size, 3]`, and the defect's mask, uint8 `[size, size]`, 255 where
        the defect shows, 0 elsewhere (everywhere, on a good part).

    Raises:
        UsageError: no such defect, or too small a size.
    """
    if defect is not None and defect not in _DRAW:
        raise UsageError(f"no defect {defect!r}: it must be one of {', '.join(DEFECTS)}")
    if size < _SMALLEST:
        raise UsageError(f"a pill of {size} pixels is too small: at least {_SMALLEST}")
    nominal, flaw = (np.random.default_rng(seed) for seed in rng.integers(0, 2**63, 2))
    part = _make_part(nominal, size)
    light = _make_light(nominal, part)
    scene = _expose(part, light)
    mask = np.zeros((size, size), np.uint8)
    if defect is not None:
        flawed = _expose(_DRAW[defect](part, flaw), light)
        seen = np.abs(flawed - scene).max(axis=2) > _VISIBLE
        # Closed, because a defect that crosses its surroundings' brightness is still one defect.
        closed = cv2.morphologyEx(seen.astype(np.uint8) * 255, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        mask = np.asarray(cv2.dilate(closed, np.ones((3, 3), np.uint8)), dtype=np.uint8)
        scene[mask > 0] = flawed[mask > 0]
    grain = 1.0 * _noise(nominal, size)[:, :, None]  # mostly of brightness, as after a camera's debayering
    colour_grain = 0.6 * nominal.standard_normal((size, size, 3), np.float32)
    image = np.clip(np.rint(scene + grain + colour_grain), 0, 255).astype(np.uint8)
    return image, mask


def draw_category(
    folder: Path,
    *,
    seed: int = 0,
    good: int = 90,
    unnoticed: int = 5,
    test_good: int = 20,
    test_each: int = 6,
) -> None:
    """Draw the whole category in MVTec AD's layout, images of 320 pixels as PNG.

    `train/good` holds `good` good parts with `unnoticed` defective ones among them, at places drawn at
    random, which `README.txt` names. Every image has a generator of its own (seed, kind, number), so
    another count of one kind leaves every other kind's images as they were.

    Args:
        folder: where; it appears when all is drawn, and an interrupted drawing leaves nothing behind.
        seed: of everything, >= 0.
        good: good training images.
        unnoticed: defective training images, of each defect in turn.
        test_good: good test images.
        test_each: test images of each defect, with their masks in `ground_truth`.

    Raises:
        UsageError: the folder is there already, or a negative number.
    """
    if min(seed, good, unnoticed, test_good, test_each) < 0:
        raise UsageError("the seed and the numbers of images must not be negative")
    if folder.exists():
        raise UsageError(f"{folder}: is there already; remove it to draw the pill anew")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        draft.chmod(0o755)  # mkdtemp's is for the owner alone
        _write_training(draft, seed, good, unnoticed)
        for i in range(test_good):
            _write(draft / "test/good" / f"{i:03}.png", draw_pill(_generator(seed, "test", i))[0])
        for defect in DEFECTS:
            for i in range(test_each):
                image, mask = draw_pill(_generator(seed, f"test {defect}", i), defect)
                _write(draft / "test" / defect / f"{i:03}.png", image)
                _write(draft / "ground_truth" / defect / f"{i:03}_mask.png", mask)
        draft.rename(folder)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write_training(folder: Path, seed: int, good: int, unnoticed: int) -> None:
    total = good + unnoticed
    shuffle = _generator(seed, "places", 0)
    places = sorted(shuffle.permutation(total)[:unnoticed].tolist())
    order = shuffle.permutation(len(DEFECTS))
    flawed = {place: DEFECTS[order[i % len(order)]] for i, place in enumerate(places)}
    drawn = {"train": 0, "unnoticed": 0}
    for i in range(total):
        kind = "unnoticed" if i in flawed else "train"
        image, _ = draw_pill(_generator(seed, kind, drawn[kind]), flawed.get(i))
        drawn[kind] += 1
        _write(folder / "train/good" / f"{i:03}.png", image)
    lines = [f"train/good/{place:03}.png  {defect}" for place, defect in flawed.items()]
    (folder / "README.txt").write_text(
        f"A pill drawn by SoftCore (seed {seed}); no photograph, free to use.\n\n"
        "The training images are not clean, on purpose. These show a defect:\n\n"
        + "".join(f"{line}\n" for line in lines or ["none"])
    )


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def _generator(seed: int, kind: str, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number, *kind.encode()])


def _make_part(rng: np.random.Generator, size: int) -> _Part:
    unit = size / 320
    angle, (shift_x, shift_y) = np.deg2rad(rng.uniform(-3, 3)), rng.uniform(-4, 4, 2)
    pose = unit * _turn(angle, 160 + shift_x, 160 + shift_y)
    inverse = cv2.invertAffineTransform(pose)
    across, down = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    x, y = ((row[0] * across + row[1] * down + row[2]).astype(np.float32) for row in inverse)
    radius = _radius(x, y)

    fine = _noise(rng, size, 0.9 * unit)
    coarse = _noise(rng, size, 5 * unit)
    seam = np.exp(-((x / 1.6) ** 2))
    height = unit * (_DOME * (1 - radius**3) - 0.9 * seam + 0.07 * coarse + 0.04 * fine)
    # The distance to the outline along the ray from the middle serves as the one across it.
    beyond = (1 - 1 / np.maximum(radius, 0.05)) * np.hypot(x, y) * unit
    cover = np.clip(0.5 - beyond, 0, 1)

    speckle = 1 + 0.012 * fine + 0.008 * coarse - 0.11 * np.clip(-fine - 1.9, 0, 1)
    tint = rng.normal(1, 0.012, (2, 3))
    right = np.clip(0.5 + x * unit, 0, 1)
    blue, green, red = (
        ((ivory * a * (1 - right) + apricot * b * right) * speckle).astype(np.float32)
        for ivory, apricot, a, b in zip(_IVORY, _APRICOT, *tint.tolist(), strict=True)
    )

    printing = _turn(np.deg2rad(rng.normal(0, 0.7)), *rng.normal(0, 1.3, 2))
    glyphs = [(cv2.transform(line[None], printing)[0], 4.6) for line in _IMPRINT]
    density = rng.uniform(0.80, 0.95)
    ink = _draw_lines(glyphs, pose, size) * np.clip(density - 0.07 * fine - 0.05 * coarse, 0, 1)
    still = np.zeros((size, size), np.float32)
    return _Part(
        unit, x, y, pose, height.astype(np.float32), cover.astype(np.float32), (blue, green, red),
        ink.astype(np.float32), still + 1, still,
    )  # fmt: skip


def _make_light(rng: np.random.Generator, part: _Part) -> _Light:
    size, unit = len(part.x), part.unit
    azimuth, elevation = np.deg2rad(rng.normal(-128, 4)), np.deg2rad(rng.normal(50, 1.5))
    flat = float(np.cos(elevation))
    right, down = float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth))
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    falloff = rng.uniform(0.06, 0.16)
    strength = rng.normal(1, 0.035) * (1 + falloff * (right * ramp[None, :] + down * ramp[:, None]))

    shift = np.array([[1, 0, -17 * unit * right], [0, 1, -17 * unit * down]])
    cast = cv2.GaussianBlur(cv2.warpAffine(part.cover, shift, (size, size)), (0, 0), 6.5 * unit)
    contact = cv2.GaussianBlur(part.cover, (0, 0), 3 * unit)
    weave = 1 + 0.045 * _noise(rng, size, 0.8 * unit) + 0.03 * _noise(rng, size, 4 * unit)
    table = weave * (1 - 0.60 * cast) * (1 - 0.30 * contact)
    return _Light(
        (right, down, float(np.sin(elevation))), strength.astype(np.float32), table.astype(np.float32)
    )


def _expose(part: _Part, light: _Light) -> NDArray[np.float32]:
    """Light the part and take its image, without noise: BGR `[size, size, 3]`, 0 to 255."""
    slope_x = cv2.Sobel(part.height, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(part.height, cv2.CV_32F, 0, 1, scale=1 / 8)
    up = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)  # the normal is (-slope_x, -slope_y, 1) up
    right, down, front = light.direction
    facing = (front - right * slope_x - down * slope_y) * up
    # A soft box, not a point: light wraps round the part, and the highlight is broad.
    diffuse = 0.30 * (0.55 + 0.45 * up) + 0.82 * np.maximum(facing + 0.20, 0) / 1.20
    shine = np.maximum((facing + up) / np.sqrt(2 + 2 * front), 0) ** 2  # Blinn-Phong, towards the camera
    for _ in range(3):
        shine *= shine
    shine *= 0.13 * part.gloss * (1 - 0.6 * part.ink)
    planes = []
    for coating, ink, dirt, table in zip(part.colour, _INK, _DIRT, _TABLE, strict=True):
        tablet = (coating * (1 - part.ink) + ink * part.ink) * diffuse + shine
        beside = light.table * np.float32(table)
        plane = beside + part.cover * (tablet - beside)
        planes.append((plane + part.dirt * (dirt - plane)) * light.strength)
    image = cv2.GaussianBlur(cv2.merge(planes), (3, 3), 0.6)
    return np.asarray(255 * np.sqrt(np.clip(image, 0, 1)), np.float32)  # gamma 2


def _chip(part: _Part, rng: np.random.Generator) -> _Part:
    """A piece broken from the rim: the outline gives way, within it the rough, dull core shows."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(15, 23)
    way = np.array([np.cos(angle), np.sin(angle)])
    rim = way / _radius(*way)
    broken = _blob(part, rng, rim, reach, soft=1.6)
    gone = _blob(part, rng, rim + 0.55 * reach * way, 0.85 * reach, soft=1.2)
    rough = _noise(rng, len(part.x), 1.1 * part.unit) + 1.3 * _noise(rng, len(part.x), 2.6 * part.unit)
    right, down = (part.x - np.float32(rim[0]), part.y - np.float32(rim[1]))
    to_rim = np.clip(1 - np.hypot(right, down) / reach, 0, 1)
    height = part.height - part.unit * broken * (3.0 + 3.0 * to_rim + 0.55 * rough)
    colour = _mix(part, broken, tuple(c * (1 + 0.05 * rough) for c in _CORE))
    return replace(
        part, height=height, colour=colour, cover=part.cover * (1 - gone),
        ink=part.ink * (1 - broken), gloss=1 - broken,
    )  # fmt: skip


def _colour(part: _Part, rng: np.random.Generator) -> _Part:
    """A discoloured blotch in the coating, with a ragged, soft edge."""
    stains = [(0.16, 0.34, 0.52), (0.20, 0.22, 0.40), (0.42, 0.40, 0.24), (0.12, 0.42, 0.50)]
    place = _place(rng)
    coating = _APRICOT if place[0] > 0 else _IVORY
    stains = [stain for stain in stains if math.dist(stain, coating) > 0.25]  # others nobody would see
    blotch = _blob(part, rng, place, rng.uniform(13, 24), soft=7)
    mottle = 0.85 + 0.10 * _noise(rng, len(part.x), 2.5 * part.unit)
    share = np.clip(rng.uniform(0.65, 0.9) * blotch * mottle, 0, 1)
    return replace(part, colour=_mix(part, share, stains[rng.integers(len(stains))]))


def _contamination(part: _Part, rng: np.random.Generator) -> _Part:
    """Foreign matter on top: a curled fibre, or a scatter of particles."""
    middle = _place(rng)
    if rng.random() < 0.5:
        turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(rng.normal(0, 0.05), 0.11, 40))
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(1.6, 2.8)
        fibre = np.cumsum(steps, 0)
        dirt = _draw_lines([(fibre - fibre.mean(0) + middle, rng.uniform(1.8, 2.8))], part.pose, len(part.x))
        return replace(part, dirt=0.92 * dirt)
    dirt = part.dirt
    for radius in rng.uniform(1.8, 5.0, rng.integers(4, 9)):
        dirt = np.maximum(dirt, _blob(part, rng, middle + rng.normal(0, 11, 2), radius, soft=1))
    return replace(part, dirt=0.92 * dirt)


def _crack(part: _Part, rng: np.random.Generator) -> _Part:
    """A thin dark branching line; the coating has flaked beside it, so its edge is light."""
    start, lines = _place(rng), []
    heading, length = rng.uniform(0, 2 * np.pi), int(rng.integers(13, 22))
    start = start * 0.75 - 2 * length * np.array([np.cos(heading), np.sin(heading)])
    trunk = _jag(rng, start, heading, length)
    lines.append((trunk, rng.uniform(1.7, 2.3)))
    for _ in range(rng.integers(1, 3)):
        fork = rng.integers(length // 4, 3 * length // 4)
        side = rng.choice([-1, 1]) * rng.uniform(0.5, 0.9)
        lines.append((_jag(rng, trunk[fork], heading + side, int(rng.integers(4, 8))), 1.3))
    gap = _draw_lines(lines, part.pose, len(part.x)) * np.float32(0.93)
    flaked = _draw_lines([(line + 0.8, width + 2.0) for line, width in lines], part.pose, len(part.x))
    # On top of the imprint as well: a crack goes through it.
    colour = tuple(c * (1 - gap) for c in _mix(part, 0.85 * flaked, _CORE))
    ink, height = part.ink * (1 - flaked) * (1 - gap), part.height - part.unit * 0.8 * flaked
    return replace(part, colour=colour, ink=ink, height=height, gloss=(1 - gap) * (1 - flaked))


def _faulty_print(part: _Part, rng: np.random.Generator) -> _Part:
    """Part of the imprint missing, smeared or doubled."""
    glyph = _MIDDLES[rng.integers(len(_MIDDLES))]
    half = np.clip(0.5 + np.float32(np.sign(glyph[0])) * part.x, 0, 1)
    kind = rng.integers(3)
    if kind == 0:
        gap = _blob(part, rng, glyph + rng.normal(0, 3, 2), rng.uniform(14, 21), soft=3)
        return replace(part, ink=part.ink * (1 - gap))
    angle, reach = rng.uniform(0, 2 * np.pi), part.unit * rng.uniform(4.5, 7)
    way = reach * np.array([np.cos(angle), np.sin(angle)])
    if kind == 1:
        shares = np.linspace(0, 2.2, 12)
        smear = np.mean([_shift(part.ink, share * way) for share in shares], axis=0)
        ink = np.maximum(0.45 * part.ink, np.minimum(1.9 * smear, 0.9))
    else:
        ink = np.maximum(part.ink, 0.8 * _shift(part.ink, way))
    return replace(part, ink=part.ink + half * (ink - part.ink))


_DRAW: dict[str, Callable[[_Part, np.random.Generator], _Part]] = {
    "chip": _chip,
    "colour": _colour,
    "contamination": _contamination,
    "crack": _crack,
    "faulty_print": _faulty_print,
}
DEFECTS: tuple[str, ...] = tuple(_DRAW)


def _blob(
    part: _Part, rng: np.random.Generator, centre: NDArray[np.float64], radius: float, soft: float
) -> _Plane:
    """A ragged round spot: 1 inside, 0 outside, over `soft` units between; lengths in units."""
    right, down = part.x - np.float32(centre[0]), part.y - np.float32(centre[1])
    angle, wobble = np.arctan2(down, right), np.float32(1)
    for lobes, depth in ((2, 0.16), (3, 0.12), (5, 0.08), (8, 0.05)):
        wobble = wobble + rng.uniform(0, depth) * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi))
    inside = np.float32(radius) * wobble - np.hypot(right, down)
    spot: _Plane = np.clip(0.5 + inside / max(soft, 1 / part.unit), 0, 1).astype(np.float32)
    return spot


def _draw_lines(lines: list[_Line], pose: NDArray[np.float64], size: int) -> _Plane:
    """Draw lines of the tablet's frame, smoothed by drawing them four times as large: 0 to 1."""
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    unit = float(np.hypot(*pose[:, 0]))
    for points, width in lines:
        pixels = 4 * (cv2.transform(points[None], pose)[0] + 0.5) - 0.5
        fixed = np.rint(8 * pixels).astype(np.int32)  # 3 bits below the point
        cv2.polylines(canvas, [fixed], False, 255, max(1, round(4 * width * unit)), cv2.LINE_8, 3)
    drawn: _Plane = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA) * np.float32(1 / 255)
    return drawn


def _jag(rng: np.random.Generator, start: NDArray[np.float64], heading: float, n: int) -> NDArray[np.float64]:
    turns = heading + rng.normal(0, 0.45, n)
    points: NDArray[np.float64] = start + np.cumsum(4 * np.stack([np.cos(turns), np.sin(turns)], 1), 0)
    return points


def _mix(part: _Part, share: _Plane, stain: tuple[float | _Plane, ...]) -> tuple[_Plane, _Plane, _Plane]:
    blue, green, red = (c + share * (s - c) for c, s in zip(part.colour, stain, strict=True))
    return blue, green, red


def _noise(rng: np.random.Generator, size: int, sigma: float = 0) -> _Plane:
    """Noise of mean 0 and deviation 1, smooth over `sigma` pixels."""
    coarse = max(1, int(sigma / 1.5))  # smooth noise needs fewer numbers
    noise: _Plane = rng.standard_normal((-(-size // coarse),) * 2, np.float32)
    if sigma > 0:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma / coarse), np.float32)
    if coarse > 1:
        noise = np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(noise / noise.std(), np.float32)


def _place(rng: np.random.Generator) -> NDArray[np.float64]:
    """A place on the tablet, in units, not too near its rim."""
    angle, share = rng.uniform(0, 2 * np.pi), 0.78 * np.sqrt(rng.random())
    place: NDArray[np.float64] = share * np.array([_HALF_LENGTH * np.cos(angle), _HALF_WIDTH * np.sin(angle)])
    return place


def _radius(x: _Plane, y: _Plane) -> _Plane:
    """Distance from the middle as a share of the outline's, in the superellipse's own measure."""
    powers = np.abs(x / _HALF_LENGTH) ** _POWER + np.abs(y / _HALF_WIDTH) ** _POWER
    return np.asarray(powers ** (1 / _POWER))


def _shift(plane: _Plane, by: NDArray[np.float64]) -> _Plane:
    move = np.array([[1, 0, by[0]], [0, 1, by[1]]])
    return np.asarray(cv2.warpAffine(plane, move, plane.shape[::-1]), np.float32)


def _turn(angle: float, x: float, y: float) -> NDArray[np.float64]:
    """The affine map `[2, 3]` that turns by `angle` (radians), then moves by x, y."""
    return np.array([[np.cos(angle), -np.sin(angle), x], [np.sin(angle), np.cos(angle), y]])


def _arc(
    x: float, y: float, across: float, down: float, start: float, stop: float
) -> list[tuple[float, float]]:
    turns = np.deg2rad(np.linspace(start, stop, 13))
    return [(x + across * float(np.cos(t)), y + down * float(np.sin(t))) for t in turns]


# Drawn by hand: OpenCV's own lettering changed between its versions 4 and 5. Boxes 0.6 wide, 1 high.
_GLYPHS = {
    "S": _arc(0.3, 0.25, 0.29, 0.25, -30, -270) + _arc(0.3, 0.75, 0.30, 0.25, -90, 150),
    "C": _arc(0.32, 0.5, 0.32, 0.5, -48, -312),
    "2": [*_arc(0.3, 0.29, 0.28, 0.29, -165, 35), (0.02, 1.0), (0.60, 1.0)],
    "5": [(0.56, 0.0), (0.10, 0.0), (0.06, 0.46), *_arc(0.28, 0.69, 0.31, 0.31, -135, 145)],
}
_MIDDLES = [np.array([x, 0.0]) for x in (-70.0, -36.0, 36.0, 70.0)]
_IMPRINT = [
    36 * (np.array(_GLYPHS[name]) - (0.3, 0.5)) + middle
    for name, middle in zip("SC25", _MIDDLES, strict=True)
]
