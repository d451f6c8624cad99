"""Cameras: the sources of frames, and checks of whether a frame can show a part."""
