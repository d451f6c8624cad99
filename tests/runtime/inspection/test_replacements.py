from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_runtime import Inspector
from softcore_runtime.alignment.alignment import Registration
from softcore_runtime.bundle.bundle import read_bundle
from softcore_runtime.images.preprocessing import Window
from softcore_runtime.inspection.replacements import find_replacements, find_uncovered


@given(st.integers(-40, 40), st.integers(-40, 40), st.floats(-180, 180), st.integers(2, 9), st.integers(2, 9))
def test_uncovered_is_what_the_aligned_frame_does_not_show(
    x: int, y: int, angle: float, rows: int, columns: int
) -> None:
    height, width = 64, 96
    registration = Registration(x=x, y=y, angle=angle, quality=1)
    window = Window(x=8, y=4, width=80, height=56)
    found = set(find_uncovered(registration, window, (rows, columns), height, width).tolist())
    matrix = registration.matrix(height, width)
    for position in range(rows * columns):
        across = window.x + (position % columns + 0.5) / columns * window.width
        down = window.y + (position // columns + 0.5) / rows * window.height
        place = matrix @ (across - 0.5, down - 0.5, 1)
        gap = min(place[0] + 0.5, place[1] + 0.5, width - 0.5 - place[0], height - 0.5 - place[1])
        if abs(gap) > 1:  # what lies on the border may count as either
            assert (position in found) == (gap < 0)


def test_a_part_at_its_place_leaves_nothing_out() -> None:
    still = Registration(x=0, y=0, angle=0, quality=1)
    assert not len(find_uncovered(still, Window(x=0, y=0, width=64, height=64), (8, 8), 64, 64))


def test_replacements_have_the_least_score(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    inspector = Inspector.load(tiny_bundle, threads=1)
    positions = np.array([0, 9, 63])
    entries = find_replacements(bundle, positions)
    patches = np.repeat(entries[:1], 64, axis=0)
    patches[positions] = entries
    score, scores = inspector._scorer.score_patches(patches, inspector.manifest.threshold.value)
    assert score == pytest.approx(scores.max())
    assert scores.ravel()[positions] == pytest.approx(max(0.0, float(bundle.floors.min())), abs=1e-3)
