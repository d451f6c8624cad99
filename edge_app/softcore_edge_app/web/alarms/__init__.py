"""Alarms on the port: who acknowledges them."""
