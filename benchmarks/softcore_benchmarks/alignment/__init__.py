"""Alignment: what it gains where parts lie elsewhere, and what it costs where they don't."""
