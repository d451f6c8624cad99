"""The examples in the docstrings of people, typed as a reader would type them."""

from __future__ import annotations

from importlib import import_module

import pytest

from ....examples import find_documented, has_example, type_example

NAMES = ("lockout", "person", "requirement", "secret", "sessions")
MODULES = [import_module(f"softcore_edge_app.web.people.{name}") for name in NAMES]
DOCUMENTED = {name: thing for module in MODULES for name, thing in find_documented(module).items()}
KNOWN = {name: value for module in MODULES for name, value in vars(module).items()}


@pytest.mark.parametrize("name", [name for name, thing in DOCUMENTED.items() if has_example(thing)])
def test_an_example_prints_what_it_says(name: str) -> None:
    assert not type_example(name, DOCUMENTED[name], dict(KNOWN))
