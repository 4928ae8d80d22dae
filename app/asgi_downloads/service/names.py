"""Names that are needed where nothing of the service is to be imported for them."""

DIRECTORIES = ("downloads", "large-files", "files", "reports", "videos", "bundles")
"""Those of a data directory that are served."""
