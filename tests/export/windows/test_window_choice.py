from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from softcore_export.windows.window_choice import choose_windows, keeps_aspect
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.images.windows import Size, Windows

CROP, PATCHES = 224, 28


def choose(request: WindowRequest, *sizes: tuple[int, int]) -> Windows | None:
    return choose_windows(
        request, [Size(width=width, height=height) for width, height in sizes], CROP, PATCHES
    )


@pytest.mark.parametrize("size", [(512, 512), (1300, 1000), (1000, 1300)])
def test_what_is_nearly_square_is_one_square(size: tuple[int, int]) -> None:
    assert choose(WindowRequest(), size) is None


def test_several_shapes_are_one_square() -> None:
    assert choose(WindowRequest(), (800, 100), (100, 800)) is None
    assert choose(WindowRequest(), (800, 100), (820, 100), (1600, 200)) is not None


@given(st.integers(50, 3000), st.integers(50, 3000), st.booleans())
def test_an_oblong_image_keeps_its_aspect(width: int, height: int, asked: bool) -> None:
    aspect = max(width, height) / min(width, height)
    assume(aspect < 60)
    windows = choose(WindowRequest(keep_aspect=True) if asked else WindowRequest(), (width, height))
    if aspect <= 1.3 and not asked:
        assert windows is None
        return
    assert windows is not None
    rows, columns = windows.canvas(CROP)
    assert min(rows, columns) == CROP
    assert np.log((columns / rows) / (width / height)) == pytest.approx(0, abs=0.08)
    assert min(windows.rows, windows.columns) == 1
    windows.find_patches(CROP, PATCHES)


@given(st.integers(300, 5000), st.integers(300, 5000), st.integers(100, 300), st.sampled_from([0, 12.5, 30]))
def test_tiles_show_the_frame_at_their_scale(width: int, height: int, tile: int, overlap: float) -> None:
    request = WindowRequest(tile=tile, overlap=overlap)
    assume(width * height < 500 * (tile * 0.6) ** 2)
    windows = choose(request, (width, height))
    assert windows is not None
    rows, columns = windows.canvas(CROP)
    for pixels, side in ((rows, height), (columns, width)):
        assert pixels * tile / (side * CROP) == pytest.approx(1, abs=0.1)
    for step in (windows.down, windows.across):
        assert step <= CROP * (1 - overlap / 100) + PATCHES


def test_a_region_alone_is_one_window() -> None:
    windows = choose(WindowRequest(roi="25%,25%,50%,50%"), (640, 640))
    assert windows is not None
    assert (windows.count, windows.canvas(CROP)) == (1, (CROP, CROP))
    seen = Preprocessing(resize=CROP, crop=CROP, windows=windows).window(640, 640)
    assert (seen.x, seen.y, seen.width, seen.height) == (160, 160, 320, 320)


def test_an_oblong_region_of_a_square_image_keeps_its_aspect() -> None:
    windows = choose(WindowRequest(roi="0,0,100%,25%"), (640, 640))
    assert windows is not None
    assert (windows.rows, windows.canvas(CROP)) == (1, (224, 896))


@pytest.mark.parametrize(
    ("request_", "sizes", "said"),
    [
        ({"tile": 600}, [(800, 500)], "--tile 600: is more than the shorter side of the images, 500"),
        (
            {"tile": 400, "roi": "0,0,50%,300"},
            [(800, 500)],
            "--tile 400: is more than the shorter side of the region, 300",
        ),
        ({"tile": 16}, [(4000, 3000)], r"--tile: .* windows of a frame of 4000 x 3000 are more than 1,024"),
        ({"keep_aspect": True}, [(90000, 50)], "--keep-aspect: .* are more than 1,024"),
        ({"roi": "0,0,900,500"}, [(800, 500)], "--roi 0,0,900,500: leaves the frame of 800 x 500 pixels"),
    ],
)
def test_what_cannot_be_met_is_told(
    request_: dict[str, object], sizes: list[tuple[int, int]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        choose(WindowRequest.model_validate(request_), *sizes)


def test_a_network_whose_patches_do_not_divide_the_crop_takes_one_window_only() -> None:
    oblong = [Size(width=800, height=100)]
    with pytest.raises(UsageError, match="--crop 225: several windows need a multiple of the network's 28"):
        choose_windows(WindowRequest(), oblong, 225, 28)
    assert not keeps_aspect(WindowRequest(keep_aspect=False), oblong)


def test_an_outline_that_holds_no_patch_is_refused() -> None:
    sliver = ((0.0, 0.0), (0.01, 0.0), (1.0, 1.0), (0.99, 1.0))
    with pytest.raises(UsageError, match="the region is too thin: no patch of the network's grid lies in it"):
        choose_windows(WindowRequest(), [Size(width=640, height=640)], 224, 28, (sliver,))
