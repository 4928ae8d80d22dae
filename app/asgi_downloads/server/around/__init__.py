"""What stands around the application: log, metrics, limits."""
