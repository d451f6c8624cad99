"""Comparison: two bundles on the same images, part by part."""
