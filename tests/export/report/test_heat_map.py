from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from softcore_export.report.heat_map import draw_heat, encode


def test_excluded_patches_are_outlined_in_white_on_black() -> None:
    crop = np.full((360, 360, 3), (40, 120, 200), np.uint8)
    kept = np.ones((6, 6), np.bool_)
    still = np.zeros((6, 6), np.float32)
    plain = draw_heat(crop, still, kept)
    assert plain.shape == (360, 360, 3)
    assert plain.dtype == np.uint8
    assert len(np.unique(plain)) == 1  # grey all over

    kept[1:4, 2:5] = False
    kept[2, 3] = True  # a hole
    drawn = draw_heat(crop, still, kept).astype(int)
    changed = (drawn != plain).any(axis=2)
    for top, left, bottom, right in ((60, 120, 239, 299), (119, 179, 180, 240)):  # the rim, the hole's
        edge = np.zeros((360, 360), np.bool_)
        edge[[top, bottom], left : right + 1] = True
        edge[top : bottom + 1, [left, right]] = True
        assert (drawn[edge] == 255).mean() > 0.98
        beside = cv2.dilate(edge.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_) & ~edge
        assert (drawn[beside] == 0).mean() > 0.95
        changed &= ~(edge | beside)
    assert not changed.any()


def test_heat_begins_at_half_the_threshold_and_is_full_at_twice() -> None:
    crop = np.full((320, 320, 3), 200, np.uint8)
    kept = np.ones((4, 4), np.bool_)

    def shade(suspicion: float) -> np.ndarray:
        drawn = draw_heat(crop, np.full((4, 4), suspicion, np.float32), kept)
        assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1
        return drawn[0, 0].astype(int)

    assert (shade(0.5) == shade(0)).all()
    assert (shade(np.nan) == shade(0)).all()
    assert (shade(0.6) != shade(0)).any()
    assert (shade(2) != shade(1.8)).any()
    assert (shade(2) == shade(np.inf)).all()
    assert shade(1)[2] > shade(1)[1]  # reddish


def test_a_lone_patch_does_not_drown() -> None:
    suspicion = np.full((28, 28), 0.1, np.float32)
    suspicion[5, 20] = 2
    drawn = draw_heat(np.full((224, 224, 3), 90, np.uint8), suspicion, suspicion <= 1)
    assert drawn.shape == (320, 320, 3)  # enlarged
    y, x = np.unravel_index(drawn[:, :, 2].astype(int).argmax(), (320, 320))
    assert abs(y - 5.5 * 320 / 28) < 7
    assert abs(x - 20.5 * 320 / 28) < 7
    assert draw_heat(np.zeros((900, 900, 3), np.uint8), suspicion, suspicion <= 1).shape == (640, 640, 3)


def test_heat_of_other_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not \[\[64, 64\], \[4, 4\], \[4, 5\]\]"):
        draw_heat(np.zeros((64, 64), np.uint8), np.zeros((4, 4), np.float32), np.ones((4, 5), np.bool_))


def test_an_encoded_image_is_the_image() -> None:
    y, x = np.mgrid[:120, :160]
    image = np.stack([x, y, 200 - x], axis=2).astype(np.uint8)
    head, data = encode(image).split(",")
    assert head == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(decoded.astype(int) - image).mean() < 3
    noise = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    assert len(encode(noise)) < 50_000
