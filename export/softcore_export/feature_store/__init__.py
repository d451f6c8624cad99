"""Feature store: what was computed of images, kept by content for the next export."""
