"""Folders: the images of a data set and their classes, in the layouts of published data sets."""
