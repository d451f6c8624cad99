"""Imprint: the letters on the tablet, as lines."""

from __future__ import annotations

import numpy as np

__all__ = ["IMPRINT", "MIDDLES"]


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
# In units, from the middle of the tablet.
MIDDLES = [np.array([x, 0.0]) for x in (-70.0, -36.0, 36.0, 70.0)]
IMPRINT = [
    36 * (np.array(_GLYPHS[name]) - (0.3, 0.5)) + middle for name, middle in zip("SC25", MIDDLES, strict=True)
]
