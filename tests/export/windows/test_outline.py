from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_export.windows.outline import bound_outline, trace_outline
from softcore_runtime.images.windows import Region, Size, Windows


@given(st.integers(0, 80), st.integers(0, 180), st.integers(6, 100), st.integers(6, 200))
def test_a_rectangle_keeps_its_corners(top: int, left: int, height: int, width: int) -> None:
    white = np.zeros((100, 200), bool)
    white[top : top + height, left : left + width] = True
    bottom, right = min(top + height, 100), min(left + width, 200)
    (polygon,) = trace_outline(white)
    assert sorted(polygon) == sorted((x / 200, y / 100) for x in (left, right) for y in (top, bottom))
    assert bound_outline((polygon,)) == Region(
        x=left / 200, y=top / 100, width=right / 200 - left / 200, height=bottom / 100 - top / 100
    )


def test_the_outline_holds_the_patches_that_the_image_holds() -> None:
    """Of two ellipses, one with two holes in it."""
    white = np.zeros((300, 400), np.uint8)
    cv2.ellipse(white, (120, 150), (90, 60), 30, 0, 360, 1, -1)
    cv2.ellipse(white, (310, 100), (50, 80), 0, 0, 360, 1, -1)
    cv2.circle(white, (95, 140), 18, 0, -1)
    cv2.circle(white, (150, 165), 15, 0, -1)
    outline = trace_outline(white.astype(bool))
    assert len(outline) == 2
    windows = Windows(frame=Size(width=400, height=300), outline=outline)
    outside = windows.find_outside(240, (24, 24))
    assert outside is not None
    share = cv2.resize(white.astype(np.float32), (24, 24), interpolation=cv2.INTER_AREA)
    clear = abs(share - 0.5) > 0.15
    np.testing.assert_array_equal(outside[clear], (share < 0.5)[clear])


def test_specks_are_none() -> None:
    white = np.zeros((300, 400), bool)
    white[10, 10] = white[50:52, 50:53] = True
    assert trace_outline(white) == ()
    assert trace_outline(np.zeros((8, 8), bool)) == ()


def test_an_outline_without_a_patch_is_refused() -> None:
    speck = ((0.0, 0.0), (0.01, 0.0), (0.01, 0.01))
    with pytest.raises(ValueError, match="the outline holds no patch"):
        Windows(frame=Size(width=2, height=2), outline=(speck,)).find_outside(64, (8, 8))
