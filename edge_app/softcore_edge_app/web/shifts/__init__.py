"""Shifts: a shift's figures, and their report."""
