"""Configuration: what a line is told."""
