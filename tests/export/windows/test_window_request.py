from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from softcore_export.windows.window_request import RequestedRegion, WindowRequest
from softcore_runtime.images.windows import Region, Size

FRAME = Size(width=4000, height=3000)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("0,0,4000,3000", Region()),
        ("0,0,100%,100%", Region()),
        ("1000,750,2000,1500", Region(x=0.25, y=0.25, width=0.5, height=0.5)),
        (" 25% , 750, 2000,50% ", Region(x=0.25, y=0.25, width=0.5, height=0.5)),
        ("12.5%,0,50%,100%", Region(x=0.125, width=0.5)),
    ],
)
def test_a_region_is_in_pixels_or_per_cent(text: str, region: Region) -> None:
    assert RequestedRegion.parse(text).place(FRAME) == region


@given(st.tuples(*[st.integers(0, 5000)] * 2, *[st.integers(1, 5000)] * 2), st.tuples(*[st.booleans()] * 4))
def test_it_reads_what_it_prints(numbers: tuple[int, ...], percent: tuple[bool, ...]) -> None:
    text = ",".join(f"{number}{'%' * share}" for number, share in zip(numbers, percent, strict=True))
    assert str(RequestedRegion.parse(text)) == text


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,5,5", "1 2 3 4", "1,2,nan,4"])
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be X,Y,W,H"):
        RequestedRegion.parse(text)


@pytest.mark.parametrize("text", ["0,0,0,5", "0,0,5,0%"])
def test_nothing_is_no_region(text: str) -> None:
    with pytest.raises(ValueError, match="no width or no height"):
        RequestedRegion.parse(text)


@pytest.mark.parametrize("text", ["1,0,4000,3000", "0,0,101%,5", "50%,0,2001,9", "0,2999,5,2"])
def test_a_region_lies_in_the_frame(text: str) -> None:
    with pytest.raises(ValueError, match="leaves the frame of 4000 x 3000 pixels"):
        RequestedRegion.parse(text).place(FRAME)


def test_tiles_are_never_squeezed() -> None:
    assert WindowRequest(keep_aspect=False).is_plain
    assert not WindowRequest().is_plain
    with pytest.raises(ValidationError, match="never squeezed"):
        WindowRequest(tile=100, keep_aspect=False)
