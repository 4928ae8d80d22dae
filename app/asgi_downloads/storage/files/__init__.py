"""Files beneath a directory."""
