"""The packages are made of small modules in small rooms, and their names are the words of the glossary."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "benchmarks/softcore_benchmarks",
    "calibration/softcore_calibration",
    "edge_app/softcore_edge_app",
    "export/softcore_export",
    "runtime/softcore_runtime",
)
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
SCRIPTS = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.js"))
    if "vendor" not in path.parts
]
MOST_LINES = 400
MOST_MODULES = 14  # of a folder, with __init__.py
# The glossary has one word for each thing, which is another.
RETIRED = {
    *("bookkeeper", "clerk", "courier", "desk", "dial", "doubt", "gang", "judgement", "manager", "picture"),
    *("pictures", "rehearse", "ruling", "shelf", "shot", "shutter", "utils", "workplace"),
}
# "limit" is the old word for a threshold. In these modules it bounds a number of rows, threads, sockets or
# bytes, a time or a rate.
LIMITS = {
    *("acceptor", "exhaustive", "history_api", "live_reader", "log_limit", "logs", "parts", "review"),
    "worklist_api",
}
_DECLARED = re.compile(r"\b(?:class|const|function|let)\s+(\w+)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def find_names(tree: ast.AST) -> Iterator[str]:
    """Find the names that a module gives: of classes, functions, arguments, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def split_words(name: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(name)}


def is_threshold(name: str) -> bool:
    """Tell whether a name has the old word for a threshold, as a noun: `limit_threads` does something."""
    return not split_words(name).isdisjoint({"limit", "limits"}) and not re.match("_?limit_", name)


def test_no_module_is_long() -> None:
    modules = [*MODULES, *SCRIPTS]
    assert {str(path.relative_to(ROOT)) for path in modules if count_lines(path) > MOST_LINES} == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_of_a_page_or_two(package: str) -> None:
    lengths = [
        count_lines(path)
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    ]
    assert 100 <= median(lengths) <= 200


def test_no_folder_holds_many_modules() -> None:
    folders = {path.parent for path in MODULES}
    crowded = {
        str(folder.relative_to(ROOT)) for folder in folders if len(list(folder.glob("*.py"))) > MOST_MODULES
    }
    assert crowded == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_words_of_the_glossary(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in MODULES
        if path.is_relative_to(ROOT / package)
        for name in (path.stem, *find_names(ast.parse(path.read_text(encoding="utf-8"))))
        if split_words(name) & RETIRED or (is_threshold(name) and path.stem not in LIMITS)
    }
    assert sorted(found) == []


def test_names_of_scripts_are_words_of_the_glossary() -> None:
    names = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in SCRIPTS
        for name in (path.stem, *_DECLARED.findall(path.read_text(encoding="utf-8")))
    }
    assert len(names) > 100
    assert sorted(name for name in names if split_words(name.partition(": ")[2]) & RETIRED) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("readPicture", {"read", "picture"}), ("_HTTPShot", {"http", "shot"}), ("a_desk2", {"a", "desk"})],
)
def test_names_are_split_into_words(name: str, words: set[str]) -> None:
    assert split_words(name) == words
