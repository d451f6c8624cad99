"""Command line: `softcore-edge` and its subcommands."""
