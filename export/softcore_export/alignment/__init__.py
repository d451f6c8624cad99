"""Alignment: whether training images are aligned, and the reference with which."""
