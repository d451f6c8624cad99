"""Fixtures of the line's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from softcore_edge_app.ledger import head


@pytest.fixture(scope="session", autouse=True)
def _unflushed_head() -> Iterator[None]:
    """Let no test wait until a head file is on the disk: nobody cuts the power, and it takes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head.os, "fdatasync", lambda _file: None)
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a ledger may be."""
    return tmp_path / "line.ledger"
