"""One file for each URL family: open, plan, respond. None sends by itself."""
