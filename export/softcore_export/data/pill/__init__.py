"""Pill: the drawn tablet, its layers, its light and its defects."""
