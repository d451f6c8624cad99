"""Contamination: which training images look defective, and what a person chose."""
