"""How an answer that has begun can end badly. Neither can be answered: the connection must close."""


class BrokenTransfer(Exception):
    """The content cannot be completed, and the client must see that it is short."""


class Disconnected(Exception):
    """The client hung up; nobody is left to answer."""
