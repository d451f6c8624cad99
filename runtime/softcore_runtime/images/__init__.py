"""Images: what an image file says of itself, and its decoding, alike on every machine."""

from __future__ import annotations

__all__: list[str] = []
