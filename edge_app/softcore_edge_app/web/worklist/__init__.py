"""Worklist: the REVIEW parts that a person settles."""
