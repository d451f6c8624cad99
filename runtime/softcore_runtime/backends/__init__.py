"""Backends: what runs the network, and on what."""
