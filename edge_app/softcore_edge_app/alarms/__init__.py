"""Alarms: rules on runs and shares of decisions and on jumps of the images, raised until acknowledged."""
