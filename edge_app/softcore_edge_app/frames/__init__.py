"""Frames: where pictures come from (cameras, streams, videos, folders) and whether they can show a part."""
