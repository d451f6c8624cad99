"""Synthetic defects: what is drawn, where and how large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_export.resolution.synthetic_defects import KINDS, DefectKind, draw_defect

SIDES = st.integers(96, 300)


def draw_part(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A grained part before a plain background, in the middle half of the image: uint8 BGR [H, W, 3]."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 30, np.uint8)
    inner = image[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    inner[:] = rng.integers(90, 200, inner.shape)
    return image


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), SIDES, SIDES, st.sampled_from(KINDS))
def test_a_defect_is_small_and_visible_and_lies_in_its_mask(
    seed: int, height: int, width: int, kind: DefectKind
) -> None:
    image = draw_part(height, width)
    before = image.copy()
    defect = draw_defect(image, np.random.default_rng(seed), kind)
    assert (image == before).all()
    assert defect.kind == kind
    assert (defect.image.shape, defect.image.dtype) == (image.shape, image.dtype)
    assert (defect.mask == (defect.image != image).any(axis=2)).all()
    # A border or a corner of the image may cut a defect, and its soft border widens it.
    assert 0 < defect.mask.mean() < 0.05
    apart = np.abs(defect.image.astype(int) - image).mean(axis=2)
    assert apart[defect.mask].mean() >= 6


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_defect(kind: DefectKind) -> None:
    image = draw_part(128, 128)
    first, second, other = (draw_defect(image, np.random.default_rng(seed), kind) for seed in (3, 3, 4))
    assert (first.image == second.image).all()
    assert (first.image != other.image).any()


def test_pasted_texture_is_the_images_own() -> None:
    image = draw_part(200, 200)
    image[..., 0], image[..., 2] = 0, image[..., 1] // 2  # a colour that nothing else has
    for seed in range(20):
        pasted = draw_defect(image, np.random.default_rng(seed), "paste").image
        assert (pasted[..., 0] == 0).all()
        assert pasted.max() <= image.max()
        assert pasted[..., 1].min() >= image[..., 1].min()


def test_defects_lie_mostly_on_the_part() -> None:
    image = draw_part(256, 256)
    part = np.zeros((256, 256), bool)
    part[48:208, 48:208] = True  # and a margin: the border of the part is structure, too
    masks = [draw_defect(image, np.random.default_rng(seed)).mask for seed in range(60)]
    inside = sum(bool(part[mask].mean() > 0.5) for mask in masks)
    assert inside >= 55  # of 60; a place drawn evenly over the image would lie there 23 times


def test_a_region_keeps_the_middle_of_defects_inside() -> None:
    image = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    inside = np.zeros((256, 256), bool)
    inside[:, :64] = True
    for seed in range(30):
        _, columns = np.nonzero(draw_defect(image, np.random.default_rng(seed), "blob", inside).mask)
        assert columns.mean() < 72


def test_kinds_are_drawn_where_none_is_given() -> None:
    image = draw_part(128, 128)
    assert {draw_defect(image, np.random.default_rng(seed)).kind for seed in range(20)} == set(KINDS)


def test_areas_cover_their_range() -> None:
    image = draw_part(400, 400)
    areas = [draw_defect(image, np.random.default_rng(seed), "blob").mask.mean() for seed in range(60)]
    assert min(areas) < 0.003
    assert 0.01 < max(areas) < 0.04


@pytest.mark.parametrize(
    "image",
    [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32), np.zeros((8, 64, 3), np.uint8)],
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image must be uint8"):
        draw_defect(image, np.random.default_rng(0))


def test_an_even_image_gets_a_visible_defect() -> None:
    image = np.full((128, 128, 3), 128, np.uint8)
    for kind in ("blob", "scratch"):
        assert draw_defect(image, np.random.default_rng(0), kind).mask.any()
