"""Defects: each changes the layers of a tablet, and never its light."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from softcore_export.data.pill.imprint import MIDDLES
from softcore_export.data.pill.planes import Plane, draw_lines, draw_noise, shift_plane
from softcore_export.data.pill.tablet import APRICOT, IVORY, Tablet, choose_place, measure_radius

__all__ = ["DRAW_DEFECT"]

_CORE = (0.80, 0.84, 0.86)  # BGR reflectances, under the coating


def _chip(tablet: Tablet, rng: np.random.Generator) -> Tablet:
    """Break a piece from the rim: the outline recedes, and the rough, dull core is visible."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(15, 23)
    way = np.array([np.cos(angle), np.sin(angle)])
    rim = way / measure_radius(*way)
    broken = _draw_spot(tablet, rng, rim, reach, soft=1.6)
    gone = _draw_spot(tablet, rng, rim + 0.55 * reach * way, 0.85 * reach, soft=1.2)
    rough = draw_noise(rng, len(tablet.x), 1.1 * tablet.unit) + 1.3 * draw_noise(
        rng, len(tablet.x), 2.6 * tablet.unit
    )
    right, down = (tablet.x - np.float32(rim[0]), tablet.y - np.float32(rim[1]))
    to_rim = np.clip(1 - np.hypot(right, down) / reach, 0, 1)
    height = tablet.height - tablet.unit * broken * (3.0 + 3.0 * to_rim + 0.55 * rough)
    colour = _mix_colours(tablet, broken, tuple(c * (1 + 0.05 * rough) for c in _CORE))
    return replace(
        tablet, height=height, colour=colour, cover=tablet.cover * (1 - gone),
        ink=tablet.ink * (1 - broken), gloss=1 - broken,
    )  # fmt: skip


def _discolour(tablet: Tablet, rng: np.random.Generator) -> Tablet:
    """Discolour a spot of the coating, with a ragged, soft edge."""
    stains = [(0.16, 0.34, 0.52), (0.20, 0.22, 0.40), (0.42, 0.40, 0.24), (0.12, 0.42, 0.50)]
    place = choose_place(rng)
    coating = APRICOT if place[0] > 0 else IVORY
    stains = [stain for stain in stains if math.dist(stain, coating) > 0.25]  # others are hardly visible
    blotch = _draw_spot(tablet, rng, place, rng.uniform(13, 24), soft=7)
    mottle = 0.85 + 0.10 * draw_noise(rng, len(tablet.x), 2.5 * tablet.unit)
    share = np.clip(rng.uniform(0.65, 0.9) * blotch * mottle, 0, 1)
    return replace(tablet, colour=_mix_colours(tablet, share, stains[rng.integers(len(stains))]))


def _contaminate(tablet: Tablet, rng: np.random.Generator) -> Tablet:
    """Put foreign matter on top: a curled fibre, or several particles."""
    middle = choose_place(rng)
    if rng.random() < 0.5:
        turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(rng.normal(0, 0.05), 0.11, 40))
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(1.6, 2.8)
        fibre = np.cumsum(steps, 0)
        dirt = draw_lines(
            [(fibre - fibre.mean(0) + middle, rng.uniform(1.8, 2.8))], tablet.pose, len(tablet.x)
        )
        return replace(tablet, dirt=0.92 * dirt)
    dirt = tablet.dirt
    for radius in rng.uniform(1.8, 5.0, rng.integers(4, 9)):
        dirt = np.maximum(dirt, _draw_spot(tablet, rng, middle + rng.normal(0, 11, 2), radius, soft=1))
    return replace(tablet, dirt=0.92 * dirt)


def _crack(tablet: Tablet, rng: np.random.Generator) -> Tablet:
    """Draw a thin dark branching line with a light edge, where the coating has flaked."""
    start, lines = choose_place(rng), []
    heading, length = rng.uniform(0, 2 * np.pi), int(rng.integers(13, 22))
    start = start * 0.75 - 2 * length * np.array([np.cos(heading), np.sin(heading)])
    trunk = _draw_jagged(rng, start, heading, length)
    lines.append((trunk, rng.uniform(1.7, 2.3)))
    for _ in range(rng.integers(1, 3)):
        fork = rng.integers(length // 4, 3 * length // 4)
        side = rng.choice([-1, 1]) * rng.uniform(0.5, 0.9)
        lines.append((_draw_jagged(rng, trunk[fork], heading + side, int(rng.integers(4, 8))), 1.3))
    gap = draw_lines(lines, tablet.pose, len(tablet.x)) * np.float32(0.93)
    flaked = draw_lines([(line + 0.8, width + 2.0) for line, width in lines], tablet.pose, len(tablet.x))
    # A crack goes through the imprint, too.
    colour = tuple(c * (1 - gap) for c in _mix_colours(tablet, 0.85 * flaked, _CORE))
    ink, height = tablet.ink * (1 - flaked) * (1 - gap), tablet.height - tablet.unit * 0.8 * flaked
    return replace(tablet, colour=colour, ink=ink, height=height, gloss=(1 - gap) * (1 - flaked))


def _spoil_print(tablet: Tablet, rng: np.random.Generator) -> Tablet:
    """Remove, smear or double part of the imprint."""
    glyph = MIDDLES[rng.integers(len(MIDDLES))]
    half = np.clip(0.5 + np.float32(np.sign(glyph[0])) * tablet.x, 0, 1)
    kind = rng.integers(3)
    if kind == 0:
        gap = _draw_spot(tablet, rng, glyph + rng.normal(0, 3, 2), rng.uniform(14, 21), soft=3)
        return replace(tablet, ink=tablet.ink * (1 - gap))
    angle, reach = rng.uniform(0, 2 * np.pi), tablet.unit * rng.uniform(4.5, 7)
    way = reach * np.array([np.cos(angle), np.sin(angle)])
    if kind == 1:
        shares = np.linspace(0, 2.2, 12)
        smear = np.mean([shift_plane(tablet.ink, share * way) for share in shares], axis=0)
        ink = np.maximum(0.45 * tablet.ink, np.minimum(1.9 * smear, 0.9))
    else:
        ink = np.maximum(tablet.ink, 0.8 * shift_plane(tablet.ink, way))
    return replace(tablet, ink=tablet.ink + half * (ink - tablet.ink))


DRAW_DEFECT: dict[str, Callable[[Tablet, np.random.Generator], Tablet]] = {
    "chip": _chip,
    "colour": _discolour,
    "contamination": _contaminate,
    "crack": _crack,
    "faulty_print": _spoil_print,
}


def _draw_spot(
    tablet: Tablet, rng: np.random.Generator, centre: NDArray[np.float64], radius: float, soft: float
) -> Plane:
    """Draw a ragged round spot: 1 inside, 0 outside, with an edge of `soft` units; lengths in units."""
    right, down = tablet.x - np.float32(centre[0]), tablet.y - np.float32(centre[1])
    angle, wobble = np.arctan2(down, right), np.float32(1)
    for lobes, depth in ((2, 0.16), (3, 0.12), (5, 0.08), (8, 0.05)):
        wobble = wobble + rng.uniform(0, depth) * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi))
    inside = np.float32(radius) * wobble - np.hypot(right, down)
    spot: Plane = np.clip(0.5 + inside / max(soft, 1 / tablet.unit), 0, 1).astype(np.float32)
    return spot


def _draw_jagged(
    rng: np.random.Generator, start: NDArray[np.float64], heading: float, n: int
) -> NDArray[np.float64]:
    """Draw the n points of a jagged line, float64 `[n, 2]` in units."""
    turns = heading + rng.normal(0, 0.45, n)
    points: NDArray[np.float64] = start + np.cumsum(4 * np.stack([np.cos(turns), np.sin(turns)], 1), 0)
    return points


def _mix_colours(
    tablet: Tablet, share: Plane, stain: tuple[float | Plane, ...]
) -> tuple[Plane, Plane, Plane]:
    """Mix the tablet's colour with a stain, by the share of the stain in each pixel."""
    blue, green, red = (c + share * (s - c) for c, s in zip(tablet.colour, stain, strict=True))
    return blue, green, red
