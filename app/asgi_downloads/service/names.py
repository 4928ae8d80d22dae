"""Names that are needed where nothing of the service is to be imported for them."""

DIRECTORIES = ("downloads", "large-files", "files", "reports", "videos", "bundles")
"""Those of a data directory that are served."""

GUIDE_URLS = dict.fromkeys(
    ("/download", "/file", "/preview", "/video", "/reports"), "the guide, which guide_urls = false turns off"
)
OTHER_URLS = dict.fromkeys(
    ("/export", "/livez", "/readyz", "/healthz", "/metrics", "/browse", "/.assets", "/s", "/openapi.json", "/docs"),
    "the service",
)
"""Where the service has something itself, or will have."""
