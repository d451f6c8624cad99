"""Acceptance: what decides whether a memory bank ships, at which threshold, and how a line tests it."""
