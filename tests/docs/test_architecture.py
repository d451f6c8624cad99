"""The page on the architecture names the rooms and the files that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "softcore_benchmarks": "benchmarks",
    "softcore_calibration": "calibration",
    "softcore_edge_app": "edge_app",
    "softcore_export": "export",
    "softcore_runtime": "runtime",
}
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
STEP = re.compile(r"^\d+\. `([\w/]+\.py)`(?: of the (runtime))?", re.MULTILINE)


def list_rooms(folder: Path) -> list[str]:
    return sorted(f"{path.parent.name}/" for path in folder.glob("*/__init__.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_has_its_line(package: str) -> None:
    table = SECTIONS["Rooms"].split(f"| `{package}` |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+/)` \|", table, re.MULTILINE)) == list_rooms(
        ROOT / PACKAGES[package] / package
    )


@pytest.mark.parametrize("walk", ["The walk of a training image", "The walk of a frame"])
def test_a_walk_names_at_most_eight_files_and_each_exists(walk: str) -> None:
    text = SECTIONS[walk]
    start = ROOT / text.split("`")[1]
    steps = STEP.findall(text)
    assert 1 < len(steps) <= 8
    places = [(ROOT / "runtime" / "softcore_runtime" if runtime else start) / name for name, runtime in steps]
    assert [str(place) for place in places if not place.is_file()] == []


def test_each_module_that_is_named_exists() -> None:
    modules = {
        path.name for package, folder in PACKAGES.items() for path in (ROOT / folder / package).rglob("*.py")
    }
    named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", PAGE)}
    assert named - modules == set()
