"""Health: what keeps a line running and reports on it: metrics, drift, logs, memory, systemd's watchdog."""
