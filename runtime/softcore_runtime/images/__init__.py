"""Images: reads, decodes and preprocesses images, in the same way on every machine."""

from __future__ import annotations

__all__: list[str] = []
