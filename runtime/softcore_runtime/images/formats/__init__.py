"""Formats: the headers of image files of each kind."""
