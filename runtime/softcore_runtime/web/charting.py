"""Charting: the library by which the pages draw charts, as files that a page serves or embeds."""

from __future__ import annotations

from pathlib import Path

__all__ = ["UPLOT"]

UPLOT = Path(__file__).parent / "vendor" / "uplot"  # its folder: script, style, licence, checksums
