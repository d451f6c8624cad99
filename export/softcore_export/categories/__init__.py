"""Categories: the export of all categories of a folder."""
