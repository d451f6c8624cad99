"""Research: what was tried before a default was chosen."""
