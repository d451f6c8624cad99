"""Shifts: the figures of a shift, and their report."""
