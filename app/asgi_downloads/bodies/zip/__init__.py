"""ZIP archives that have a length and ranges."""
