"""Command line: `softcore-calibrate`."""
