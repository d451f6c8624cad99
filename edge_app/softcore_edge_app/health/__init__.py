"""Health: what tells that a line is well (metrics, drift, systemd's watchdog, logs)."""
