"""Measuring: accuracy metrics, timing by turns, peak memory, and the machine that it is done on."""
