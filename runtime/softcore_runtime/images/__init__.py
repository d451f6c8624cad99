"""Images: what an image file says of itself, and its decoding, alike on every machine."""
