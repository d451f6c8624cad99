from __future__ import annotations

import pytest
from grimp import ImportGraph

from .room_contract import RoomContract


@pytest.fixture
def graph() -> ImportGraph:
    graph = ImportGraph()
    for module in ("app", "app.ledger", "app.ledger.row", "app.outputs", "app.outputs.mqtt", "app.errors"):
        graph.add_module(module)
    graph.add_import(importer="app.outputs.mqtt", imported="app.ledger.row")
    graph.add_import(importer="app.ledger.row", imported="app.errors")
    graph.add_import(importer="app.outputs.mqtt", imported="app.outputs")
    return graph


@pytest.mark.parametrize(
    ("rooms", "wrong"),
    [
        (["errors:", "ledger: errors", "outputs: ledger"], []),
        (
            ["errors:", "ledger: errors", "outputs:"],
            ["outputs may not import ledger: app.outputs.mqtt -> app.ledger.row"],
        ),
        (
            ["errors:", "ledger: errors", "outputs: errors ledger"],
            ["outputs may import errors, which it doesn't"],
        ),
        (["errors:", "ledger: errors"], ["outputs is not listed"]),
        (["errors:", "ledger: errors", "outputs: ledger", "web:"], ["web is listed and doesn't exist"]),
    ],
)
def test_rooms_import_what_they_list(graph: ImportGraph, rooms: list[str], wrong: list[str]) -> None:
    contract = RoomContract("rooms", {}, {"package": "app", "rooms": rooms})
    check = contract.check(graph, verbose=False)
    assert check.metadata["wrong"] == wrong
    assert check.kept == (not wrong)
