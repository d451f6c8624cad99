"""Command line: `softcore-export`."""
