"""Each extra names all that its package imports, for in an environment of its own nothing else brings it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
# An extra for each package, beside what all of them need and `cpu`, which a Jetson's own builds stand in for.
EXTRAS = {
    "calibration/softcore_calibration": ["calibrate"],
    "edge_app/softcore_edge_app": ["edge", "parquet", "postgres"],
    "export/softcore_export": ["export", "ray"],
    "runtime/softcore_runtime": ["openvino", "sign"],
}
# What the runtime serves pages with is named by those who show one, tqdm by those who have long stages:
# without it there are lines in place of bars; shtab by those who have a command to complete.
BROUGHT = {"fastapi", "shtab", "starlette", "tqdm", "uvicorn"}


def declared(*extras: str) -> set[str]:
    """Name the distributions that `pip install 'softcore[EXTRAS]'` asks for by itself."""
    found = set()
    for text in requires("softcore") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            found.add(requirement.name)
    return found


def imported(package: Path) -> Iterator[tuple[str, Path]]:
    """Name the modules from elsewhere that each file imports, wherever in the file."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names}:
                if name not in sys.stdlib_module_names and not name.startswith("softcore_"):
                    yield name, path


@pytest.mark.parametrize(("package", "extras"), EXTRAS.items())
def test_an_extra_names_all_that_its_package_imports(package: str, extras: list[str]) -> None:
    names, distributions = declared("cpu", *extras), packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {module}"
        for module, path in imported(ROOT / package)
        if not names & {name.lower().replace("_", "-") for name in distributions.get(module, [])}
        and not (module == "tomli" and sys.version_info >= (3, 11))
        and module != "pydantic_core"  # pydantic's own half
        and not (package.startswith("runtime") and module in BROUGHT)
    }
    assert undeclared == set()


@pytest.mark.parametrize("extra", ["calibrate", "export"])
def test_who_shows_a_page_of_the_runtime_brings_what_serves_it(extra: str) -> None:
    assert {"fastapi", "uvicorn"} <= declared(extra)


@pytest.mark.parametrize("extra", ["calibrate", "edge", "export"])
def test_who_has_a_command_brings_what_completes_it(extra: str) -> None:
    assert "shtab" in declared(extra)


@pytest.mark.parametrize("extra", ["cpu", "calibrate", "edge", "parquet", "openvino", "postgres"])
def test_only_export_brings_torch(extra: str) -> None:
    asked, seen = declared(extra), set[str]()
    while asked:
        name = asked.pop()
        seen.add(name)
        try:
            more = [Requirement(text) for text in requires(name) or []]
        except ModuleNotFoundError:  # not of this platform
            continue
        asked |= {one.name for one in more if one.marker is None or one.marker.evaluate({"extra": ""})} - seen
    assert {"numpy", *declared(extra)} <= seen
    assert not {name for name in seen if name.startswith(("torch", "nvidia", "triton"))}
