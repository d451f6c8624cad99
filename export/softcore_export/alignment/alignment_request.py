"""Alignment request: what may be asked for."""

from __future__ import annotations

from typing import Literal

__all__ = ["AlignmentRequest"]

AlignmentRequest = Literal["none", "translation", "rigid", "auto"]
