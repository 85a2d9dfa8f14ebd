"""How the data plane refuses a request. Each protocol writes it in its own error shape."""

from __future__ import annotations


class RequestError(Exception):
    """A request that can't be answered: an HTTP status and one message for the caller."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message


def bad(message: str) -> RequestError:
    """Return the error for a request that is wrong in itself."""
    return RequestError(400, message)
