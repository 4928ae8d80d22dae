"""The benchmark harness: where the service stands against what one would use instead. `python -m bench quick`."""
