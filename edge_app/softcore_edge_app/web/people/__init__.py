"""People who may change a line: their roles and secrets, log-in and sessions."""
