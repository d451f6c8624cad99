"""Replay: recorded decisions, made again."""
