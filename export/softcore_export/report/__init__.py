"""Report: what an export found out, as a page."""
