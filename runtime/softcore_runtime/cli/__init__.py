"""Command line: what the three commands share."""
