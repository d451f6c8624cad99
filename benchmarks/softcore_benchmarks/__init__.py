"""SoftCore's measurements: the paper's protocol, its baselines, and the figures that the README states."""
