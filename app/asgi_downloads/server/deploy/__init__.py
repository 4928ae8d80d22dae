"""Files for nginx and systemd, from the settings."""
