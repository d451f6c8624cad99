"""Data: labelled images and their scores."""
