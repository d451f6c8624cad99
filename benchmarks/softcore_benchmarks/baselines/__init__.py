"""Baselines: the methods that SoftCore is measured beside."""
