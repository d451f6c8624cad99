"""Inspection: a loaded bundle, its decisions and how they are shown."""
