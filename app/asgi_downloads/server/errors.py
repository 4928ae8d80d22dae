"""How a start fails."""


class StartError(Exception):
    """The service cannot start like this; the text is one line."""
