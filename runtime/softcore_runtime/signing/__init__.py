"""Signing: who vouches for a bundle, and whom a line believes."""
