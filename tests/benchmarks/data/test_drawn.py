from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks.data import drawn
from softcore_benchmarks.data.category import Category

COUNTS = {"TRAIN": 2, "GOOD": 2, "BAD": 6}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in COUNTS.items():
        monkeypatch.setattr(drawn, name, count)


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def test_they_are_categories(tmp_path: Path) -> None:
    folders = drawn.draw_datasets(tmp_path)
    assert [folder.name for folder in folders] == ["drawn_pill", "drawn_turned", "drawn_weave"]
    for folder in folders:
        category = Category.find(folder)
        assert (len(category.train), int((~category.bad).sum()), int(category.bad.sum())) == (2, 2, 6)
        kinds = {path.parent.name for path in category.test}
        assert kinds == {"good", *drawn.DRAWN[folder.name][1]}
        assert len(set(read(folder).values())) == 10  # no two images are equal


def test_the_same_ones_come_every_time_and_are_drawn_once(tmp_path: Path) -> None:
    first = drawn.draw_datasets(tmp_path / "a", ["drawn_weave", "drawn_turned"])
    drawn.draw_datasets(tmp_path / "b", ["drawn_weave", "drawn_turned"])
    assert read(tmp_path / "a") == read(tmp_path / "b")
    marked = first[0] / "train/good/000.png"
    marked.write_bytes(b"mine")
    drawn.draw_datasets(tmp_path / "a", ["drawn_weave", "drawn_turned"])
    assert marked.read_bytes() == b"mine"


@pytest.mark.parametrize("flaw", ["spot", "scratch"])
def test_a_flaw_of_the_weave_is_local(flaw: str) -> None:
    draw = drawn.DRAWN["drawn_weave"][0]
    good = draw(np.random.default_rng(3), None).astype(int)
    bad = draw(np.random.default_rng(3), flaw).astype(int)
    changed = np.abs(bad - good).max(axis=2) > 8
    assert 10 < changed.sum() < 0.05 * changed.size


def test_the_turned_pill_is_turned(tmp_path: Path) -> None:
    [folder] = drawn.draw_datasets(tmp_path, ["drawn_turned"])
    angles = []
    for path in sorted((folder / "test").rglob("*.png")):
        light = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 110
        y, x = np.nonzero(light)
        across = np.linalg.eigh(np.cov(x, y))[1][:, 1]
        angles.append(np.degrees(np.arctan2(across[1], across[0])) % 180)
        assert not light[[0, -1]].any()  # no second pill looks in
        assert not light[:, [0, -1]].any()
    assert np.std(angles) > 15
