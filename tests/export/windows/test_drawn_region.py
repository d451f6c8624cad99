from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from pydantic import ValidationError
from softcore_export.windows.drawn_region import DrawnRegion
from softcore_export.windows.outline import trace_outline
from softcore_runtime.images.windows import Size, Windows

Corners = tuple[tuple[float, float], ...]
FRAME = Size(width=120, height=90)
LARGE: Corners = ((0.1, 0.1), (0.9, 0.15), (0.85, 0.9), (0.2, 0.8))
SMALL: Corners = ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))
share = st.floats(0, 1)


def draw(*polygons: tuple[str, Corners]) -> DrawnRegion:
    return DrawnRegion.model_validate({"polygons": [{"action": a, "corners": c} for a, c in polygons]})


def cover(corners: Corners) -> np.ndarray:
    """How much of each pixel a polygon covers, by Pillow: uint8 `[90, 120]`."""
    fine = 8  # Pillow takes whole pixels
    image = Image.new("L", (fine * FRAME.width, fine * FRAME.height))
    scaled = [(fine * x * FRAME.width, fine * y * FRAME.height) for x, y in corners]
    ImageDraw.Draw(image).polygon(scaled, 255)
    return np.array(image.reduce(fine))


def find_border(covered: np.ndarray) -> np.ndarray:
    """The pixels within one of the border, bool."""
    disc = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(covered, disc) != cv2.erode(covered, disc))


@given(st.tuples(share, share), st.tuples(share, share), st.tuples(share, share))
def test_a_triangle_is_pillows_within_a_pixel(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> None:
    try:
        region = draw(("inspect", (a, b, c)))
    except ValidationError:  # hardly an area
        return
    covered = cover((a, b, c))
    sure = ~find_border(covered)
    np.testing.assert_array_equal(region.rasterize(FRAME)[sure], covered[sure] > 127)


@pytest.mark.parametrize("swapped", [False, True])
def test_what_is_left_out_is_out_whatever_the_order(swapped: bool) -> None:
    polygons = (("inspect", LARGE), ("leave out", SMALL))
    mask = draw(*(polygons[::-1] if swapped else polygons)).rasterize(FRAME)
    outer, hole = cover(LARGE), cover(SMALL)
    sure = ~find_border(outer) & ~find_border(hole)
    np.testing.assert_array_equal(mask[sure], ((outer > 127) & (hole <= 127))[sure])
    assert not mask[45, 60]


def test_without_an_inspect_polygon_the_rest_of_the_frame_is_inspected() -> None:
    mask = draw(("leave out", SMALL)).rasterize(FRAME)
    assert not mask[45, 60]
    assert mask[0, 0]
    assert mask.mean() == pytest.approx(0.96, abs=0.01)
    assert DrawnRegion().rasterize(FRAME).all()


def test_what_a_polygon_encloses_twice_is_outside_of_it() -> None:
    """A pentagram, whose middle is enclosed twice."""
    turns = [2 * np.pi * 2 * point / 5 for point in range(5)]
    star = tuple((0.5 + 0.4 * float(np.sin(turn)), 0.5 - 0.4 * float(np.cos(turn))) for turn in turns)
    mask = draw(("inspect", star)).rasterize(Size(width=200, height=200))
    assert not mask[100, 100]
    assert mask[30, 100]
    assert mask[148, 136]


def test_a_hole_reaches_the_patches() -> None:
    mask = draw(("inspect", LARGE), ("leave out", SMALL)).rasterize(FRAME)
    outside = Windows(frame=FRAME, outline=trace_outline(mask)).find_outside(240, (24, 24))
    assert outside is not None
    share_inside = cv2.resize(mask.astype(np.float32), (24, 24), interpolation=cv2.INTER_AREA)
    clear = abs(share_inside - 0.5) > 0.3
    np.testing.assert_array_equal(outside[clear], (share_inside < 0.5)[clear])
    assert outside[12, 12]


@pytest.mark.parametrize(
    ("polygons", "words"),
    [
        ([("inspect", ((0.1, 0.1), (0.9, 0.9)))], "a polygon needs at least 3 corners"),
        ([("inspect", ((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)))], "spans less than 0.05 % of the frame"),
        ([("inspect", ((0.5, 0.5),) * 4)], "spans less than 0.05 % of the frame"),
        ([("leave out", ((0, 0), (0.01, 0), (0, 0.01)))], "spans less than 0.05 % of the frame"),
        ([("inspect", ((0, 0), (1.2, 0), (0.5, 1)))], "corner lies outside the frame"),
        ([("inspect", ((0, 0), (float("nan"), 0), (0.5, 1)))], "corner lies outside the frame"),
        ([("inspect", ((0, 0), (1, 0), (0.5, 1)) * 200)], "more than 500 corners"),
        ([("inspect", LARGE)] * 51, "at most 50"),
        ([("inspect", SMALL), ("leave out", LARGE)], "leaves less than 0.05 % of the frame to inspect"),
        ([("burn", LARGE)], "'inspect' or 'leave out'"),
    ],
)
def test_what_is_no_region_is_refused(polygons: list[tuple[str, Corners]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        draw(*polygons)


def test_it_is_told_in_words() -> None:
    assert DrawnRegion().describe() == "the whole frame"
    assert draw(("leave out", SMALL)).describe() == "96 % of the frame, by 1 polygon"
    assert not DrawnRegion()
    assert draw(("inspect", LARGE))
