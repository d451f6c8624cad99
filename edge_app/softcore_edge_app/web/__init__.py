"""Web: the HTTP port of a line: its page, its API, its events and metrics."""
