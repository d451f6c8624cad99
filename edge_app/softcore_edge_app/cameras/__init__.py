"""Cameras: where frames come from, and whether they can show a part."""
