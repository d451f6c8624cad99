"""Shadow: what the port says of bundles on trial."""
