"""Web: what a line serves over HTTP."""
