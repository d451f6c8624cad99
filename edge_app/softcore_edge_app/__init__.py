"""SoftCore edge app: from frames to decisions at the line."""
