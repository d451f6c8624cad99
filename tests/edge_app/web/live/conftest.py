"""What the tests of the live view share: the fixtures of the operator's page."""

from __future__ import annotations

from ..test_page import serve, show, stub

__all__ = ["serve", "show", "stub"]
