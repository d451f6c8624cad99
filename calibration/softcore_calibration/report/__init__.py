"""Report: what a threshold does, as a page."""
