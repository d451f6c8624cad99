"""Formats: what the files of each kind say of their images."""
