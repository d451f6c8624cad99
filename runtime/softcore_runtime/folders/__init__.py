"""Folders: which files are images, and of which class, in the layouts that data sets come in."""
