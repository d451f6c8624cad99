"""SoftCore calibration: the decision threshold of a bundle."""
