"""Examples in docstrings: found, and typed as a reader would type them."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["find_documented", "has_example", "type_example"]

_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def find_documented(module: ModuleType) -> dict[str, Any]:
    """Name what is public in a module, and of its classes the public methods and properties."""
    found = {}
    for name in getattr(module, "__all__", ()):  # a folder of modules has none of its own
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            found[name] = thing
            found.update({f"{name}.{member}": value for member, value in _find_members(thing)})
    return found


def _find_members(thing: Any) -> Iterator[tuple[str, Any]]:
    """Name the functions of a class's own public methods and properties; what it inherits is another's."""
    for name, member in vars(thing).items() if inspect.isclass(thing) else ():
        written = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if not name.startswith("_") and isinstance(written, FunctionType):
            yield name, written


def has_example(thing: Any) -> bool:
    """Tell whether a docstring has a section `Example:` that begins with something to type."""
    return (
        re.search(r"^Example:\n(?:    [^>].*\n|\n)*    >>> ", inspect.getdoc(thing) or "", re.M) is not None
    )


def type_example(name: str, thing: Any, namespace: dict[str, Any]) -> str:
    """Type a docstring's example; returns what came otherwise than printed there, or an empty string."""
    examples = doctest.DocTestParser().get_doctest(inspect.getdoc(thing) or "", namespace, name, None, None)
    printed: list[str] = []
    doctest.DocTestRunner(optionflags=_OPTIONS).run(examples, out=printed.append)
    return "".join(printed)
