"""Threshold: what another one would have meant, and its change."""
