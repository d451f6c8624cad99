from __future__ import annotations

import cv2
import numpy as np
import pytest
from softcore_benchmarks.data.moved import Move, draw_jitter, draw_moves, move_part


def draw() -> np.ndarray:
    """Draw a light part, uint8 BGR [256, 256, 3], on a dark, grainy table."""
    image = np.random.default_rng(0).integers(10, 30, (256, 256, 3), dtype=np.uint8)
    cv2.ellipse(image, (128, 120), (70, 45), 0, 0, 360, (180, 200, 210), -1)
    cv2.circle(image, (150, 120), 12, (60, 60, 160), -1)
    return image


def test_a_part_that_is_not_moved_is_left_as_it_is() -> None:
    image = draw()
    wide = move_part(image, Move())
    assert wide.shape == (320, 320, 3)
    np.testing.assert_array_equal(wide[32 + 90 : 32 + 150, 32 + 90 : 32 + 166], image[90:150, 90:166])
    table = wide[:32].astype(float)
    assert abs(table.mean() - 19.5) < 1.5
    assert 4 < table.std() < 8  # the grain's is 5.8


@pytest.mark.parametrize("move", [Move(80, 0), Move(-30, 40), Move(12.4, -7.6)])
def test_a_part_is_moved_and_the_table_stays(move: Move) -> None:
    image = draw()
    still, moved = move_part(image, Move()), move_part(image, move)
    x, y = round(move.x), round(move.y)
    part = image[80:160, 62:194]
    found = moved[32 + 80 + y : 32 + 160 + y, 32 + 62 + x : 32 + 194 + x]
    middle = np.abs(part.astype(int) - found)[30:50, 30:100]
    assert middle.max() <= 1
    np.testing.assert_array_equal(moved[:30, :30], still[:30, :30])
    assert (moved > 150).sum() == pytest.approx((still > 150).sum(), rel=0.02)


def test_a_part_is_turned_counter_clockwise() -> None:
    image = draw()
    turned = move_part(image, Move(angle=90)).astype(int)
    redness = np.where(turned[:, :, 2] > 120, turned[:, :, 2] - turned[:, :, 0], 0)
    row, column = np.average(np.indices(redness.shape).reshape(2, -1), axis=1, weights=(redness > 70).ravel())
    assert (column, row) == pytest.approx((32 + 127.5 - 7.5, 32 + 127.5 - 22.5), abs=2)


def test_moves() -> None:
    moves = draw_moves(50, 30, 15)
    assert [np.hypot(move.x, move.y) for move in moves] == pytest.approx([30] * 50)
    assert {abs(move.angle) for move in moves} == {15}
    jitter = np.array([(move.x, move.y, move.angle) for move in draw_jitter(200, 30, 10)])
    assert (np.abs(jitter) <= (30, 30, 10)).all()
    assert (np.abs(jitter).max(axis=0) > (27, 27, 9)).all()
