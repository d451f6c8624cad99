"""Health: what keeps a line well and tells that it is (memory, metrics, drift, systemd's watchdog, logs)."""
