"""Web: what every page that a command serves has in common; the only folder that knows FastAPI."""
