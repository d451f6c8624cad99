"""Decisions: the record of a decision, the kinds of INVALID, and what listeners get of each."""
