"""Data: the training images."""
