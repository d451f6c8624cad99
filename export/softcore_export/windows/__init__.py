"""Windows: where a frame is inspected, and how closely."""
