"""Alignment: finds where a part lies in a frame, and brings it to its place."""

from __future__ import annotations

__all__: list[str] = []
