"""Names that more than one room needs, where nothing else has to be imported for them."""

DIRECTORIES = ("downloads", "large-files", "files", "reports", "videos", "bundles")
"""Those of a data directory that are served."""

PROBES = ("/livez", "/readyz", "/healthz", "/metrics")
"""Paths that are answered however many requests there are: those who ask want to know just then."""
