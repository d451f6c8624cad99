"""SoftCore's measurements: the paper's protocol, its baselines, and what the README's numbers rest on."""
