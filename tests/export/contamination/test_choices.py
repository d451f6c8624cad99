from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from softcore_export.contamination.choices import Choice, Choices, choices_path, read_choices, write_choices
from softcore_export.windows.drawn_region import DrawnPolygon, DrawnRegion
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.images.windows import Region

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
SOME = Choices(
    images={
        A: Choice(action="keep"),
        B: Choice(action="exclude"),
        C: Choice(action="exclude patches", grid=(2, 3), patches=((0, 1), (1, 2))),
    }
)


def test_choices_overrule_what_the_method_keeps() -> None:
    kept = np.array([[0, 1, 0, 1, 1, 1]] * 5, np.bool_)
    before = kept.copy()
    chosen = SOME.apply(kept, [D, A, B, C, A], (2, 3))
    assert chosen.astype(int).tolist() == [
        [0, 1, 0, 1, 1, 1],  # nothing was chosen
        [1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0],
        [1, 0, 1, 1, 1, 0],  # the marked ones, and no others
        [1, 1, 1, 1, 1, 1],  # the same content twice
    ]
    np.testing.assert_array_equal(kept, before)


def test_marks_are_brought_to_another_grid() -> None:
    choice = Choice(action="exclude patches", grid=(4, 4), patches=((0, 0), (3, 3)))
    assert (~choice.kept((8, 8))).nonzero()[0].tolist() == [0, 0, 1, 1, 6, 6, 7, 7]
    coarse = choice.kept((2, 2))  # whatever a mark touches is out
    assert coarse.astype(int).tolist() == [[0, 1], [1, 0]]
    odd = choice.kept((3, 3))
    assert not odd[0, 0]
    assert not odd[2, 2]
    assert odd[1, 1]


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = choices_path(tmp_path / "pill")
    assert path == tmp_path / "pill.choices.json"
    assert read_choices(path) == Choices()
    write_choices(path, SOME)
    assert read_choices(path) == SOME
    write_choices(path, Choices())
    assert read_choices(path) == Choices()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ('{"pictures": {"xyz": {"action": "keep"}}}', "pattern"),
        (f'{{"pictures": {{"{A}": {{"action": "burn"}}}}}}', "'keep', 'exclude' or 'exclude patches'"),
        ('{"picture": {}}', "picture: Extra inputs"),
    ],
)
def test_a_damaged_file_is_one_line_that_says_what_to_do(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "pill.choices.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as raised:
        read_choices(path)
    assert str(path) in str(raised.value)
    assert "delete it to start without choices" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_choices(tmp_path / "pill.choices.json", SOME)
    with pytest.raises(UsageError, match="can't be written"):
        write_choices(tmp_path / "none" / "pill.choices.json", SOME)
    with pytest.raises(DataError, match="can't be read"):
        read_choices(tmp_path)
    assert read_choices(tmp_path / "pill.choices.json") == SOME


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "exclude patches"}, "needs patches"),
        ({"action": "exclude patches", "patches": ((0, 0),)}, "need a grid"),
        ({"action": "exclude patches", "grid": (2, 2), "patches": ((2, 0),)}, "outside the grid of 2 x 2"),
        ({"action": "exclude patches", "grid": (2, 2), "patches": ((-1, 0),)}, "greater than or equal to 0"),
        ({"action": "keep", "grid": (2, 2), "patches": ((0, 0),)}, "takes no patches"),
    ],
)
def test_a_choice_validates_itself(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Choice.model_validate(fields)


def test_marks_lie_at_their_place_of_the_frame() -> None:
    """Marked on the whole frame, and used where the right half alone is inspected."""
    choice = Choice(action="exclude patches", grid=(4, 4), patches=((0, 0), (1, 2), (3, 3)), place=Region())
    right = Region(x=0.5, y=0, width=0.5, height=1)
    assert (~choice.kept((4, 2), right)).nonzero()[0].tolist() == [1, 3]
    assert (~choice.kept((4, 2), right)).nonzero()[1].tolist() == [0, 1]
    fine = Choice(action="exclude patches", grid=(2, 2), patches=((1, 0),), place=right)
    assert np.argwhere(~fine.kept((4, 4), Region())).tolist() == [[2, 2], [3, 2]]
    unknown = fine.model_copy(update={"place": None})  # of an earlier version
    np.testing.assert_array_equal(unknown.kept((2, 2), right), fine.kept((2, 2), right))


def test_a_drawn_region_is_kept_beside_the_marks(tmp_path: Path) -> None:
    path = tmp_path / "pill.choices.json"
    corners = ((0.25, 0.0), (1.0, 0.5), (0.0, 1.0))
    drawn = DrawnRegion(polygons=(DrawnPolygon(action="leave out", corners=corners),))
    choices = SOME.model_copy(update={"region": drawn})
    write_choices(path, choices)
    assert read_choices(path) == choices
    assert json.loads(path.read_text())["region"] == {
        "polygons": [{"action": "leave out", "corners": [[0.25, 0.0], [1.0, 0.5], [0.0, 1.0]]}]
    }


def test_a_polygon_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pill.choices.json"
    path.write_text('{"region": {"polygons": [{"action": "inspect", "corners": [[0, 0], [1, 1]]}]}}')
    with pytest.raises(DataError) as raised:
        read_choices(path)
    assert str(raised.value) == (
        f"{path}: region: polygons: 0: a polygon needs at least 3 corners; correct it, or delete it to start "
        "without choices"
    )
