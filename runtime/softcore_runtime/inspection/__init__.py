"""Inspection: loaded bundles, their results, and images of these."""
