from __future__ import annotations

from pathlib import Path

import pytest
from softcore_runtime.errors import DataError
from softcore_runtime.exam import places
from softcore_runtime.exam.places import add_places, places_path, read_places


def test_the_latest_folder_comes_first_and_each_once(tmp_path: Path) -> None:
    bundle = tmp_path / "pill"
    assert read_places(bundle) == ()
    add_places(bundle, [tmp_path / "a", tmp_path / "b"])
    add_places(bundle, [tmp_path / "b", tmp_path / "c"])
    assert read_places(bundle) == (tmp_path / "b", tmp_path / "c", tmp_path / "a")
    assert places_path(bundle) == tmp_path / "pill.exam.json"


def test_folders_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    add_places(Path("pill"), [Path("bad")])
    assert read_places(tmp_path / "pill") == (tmp_path.resolve() / "bad",)


def test_only_so_many_are_kept_and_none_that_is_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_MOST_PLACES", 2)
    add_places(tmp_path / "pill", [Path("/a"), Path("/\udcfc"), Path("/b"), Path("/c")])
    assert read_places(tmp_path / "pill") == (Path("/a"), Path("/b"))


@pytest.mark.parametrize("content", ["", "[]", '{"folders": [1]}', '{"folders": [], "more": 1}'])
def test_a_damaged_list_is_said(tmp_path: Path, content: str) -> None:
    places_path(tmp_path / "pill").write_text(content)
    with pytest.raises(DataError, match=r"pill.exam.json: no list of folders; delete it"):
        read_places(tmp_path / "pill")


def test_a_list_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    places_path(tmp_path / "pill").mkdir()
    with pytest.raises(DataError, match=r"pill.exam.json: can't be read"):
        read_places(tmp_path / "pill")
