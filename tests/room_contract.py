"""Room contract: a contract of import-linter in which each room of a package lists the rooms that it imports.

::

    type = "rooms"
    package = "softcore_runtime"
    rooms = ["backends: errors", "errors:", "search: backends errors"]

A room is a folder or a module at the package's root. A room that isn't listed, an import that isn't, and a
listed import that doesn't exist break the contract, so that the list says what is so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

__all__ = ["RoomContract"]


class RoomContract(Contract):
    """Compares the imports between the rooms of a package with those that are listed."""

    type_name = "rooms"

    package = fields.StringField()
    rooms = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - of the base class
        """Check all rooms of the package."""
        listed = {}
        for line in self.rooms:
            room, _, imported = line.partition(":")
            listed[room.strip()] = set(imported.split())
        wrong = list(_compare(find_imports(graph, str(self.package)), listed))
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print what is wrong, one line each."""
        for line in check.metadata["wrong"]:
            output.print_error(line)


def find_imports(graph: ImportGraph, package: str) -> dict[str, dict[str, str]]:
    """Return the rooms of a package; for each, the rooms that it imports and the first such import."""
    found: dict[str, dict[str, str]] = {}
    for room in graph.find_children(package):
        imports: dict[str, str] = defaultdict(str)
        for module in sorted({room} | graph.find_descendants(room)):
            for imported in sorted(graph.find_modules_directly_imported_by(module)):
                if imported.startswith(f"{package}.") and _name_room(imported) != _name_room(room):
                    imports[_name_room(imported)] = imports[_name_room(imported)] or f"{module} -> {imported}"
        found[_name_room(room)] = dict(imports)
    return found


def _name_room(module: str) -> str:
    return module.split(".")[1]


def _compare(found: dict[str, dict[str, str]], listed: dict[str, set[str]]) -> Iterator[str]:
    for room in sorted(found.keys() | listed.keys()):
        if room not in found:
            yield f"{room} is listed and doesn't exist"
        elif room not in listed:
            yield f"{room} is not listed"
        else:
            yield from (
                f"{room} may not import {other}: {found[room][other]}"
                for other in sorted(found[room].keys() - listed[room])
            )
            yield from (
                f"{room} may import {other}, which it doesn't"
                for other in sorted(listed[room] - found[room].keys())
            )
