"""Errors over HTTP: RFC 9457 problem details, and the errors that only a request can have.

Imported when Jupyter starts: keep it light.
"""

from __future__ import annotations

import errno
from typing import Any

from ..errors import MlopsError, from_os_error
from ..i18n import gettext as _

CONTENT_TYPE = "application/problem+json"
#: Where the documentation explains each code.
_DOCUMENTATION = "https://jupyter-mlops.readthedocs.io/en/latest/how-to/troubleshooting.html#"


class MalformedRequestError(MlopsError):
    """The request can't be understood: bad percent-encoding, not JSON, a parameter given twice."""

    code = "malformed-request"


class ForbiddenError(MlopsError):
    """The user is not signed in, or may not do this."""

    code = "forbidden"
    status = 403


class NoSuchRouteError(MlopsError):
    """There is no operation at this address."""

    code = "no-such-route"
    status = 404


class MethodNotAllowedError(MlopsError):
    """The address exists, but not with this method; ``details`` has the ``allowed`` ones."""

    code = "method-not-allowed"
    status = 405


class TooLargeError(MlopsError):
    """The request's body is larger than the server takes."""

    code = "request-too-large"
    status = 413


class NotJsonError(MlopsError):
    """The request's body is not declared as JSON."""

    code = "not-json"
    status = 415


class InvalidFieldsError(MlopsError):
    """Parameters or fields of the body are not valid; ``details`` has ``fields``: location and message of each."""

    code = "invalid-fields"
    status = 422


_OF_STATUS: dict[int, type[MlopsError]] = {
    error.status: error
    for error in (
        MalformedRequestError,
        ForbiddenError,
        NoSuchRouteError,
        MethodNotAllowedError,
        TooLargeError,
        NotJsonError,
        InvalidFieldsError,
    )
}


def problem(error: MlopsError) -> dict[str, Any]:
    """Return the problem details of an error (the fields of ``types.ProblemDetails``)."""
    return {
        "type": _DOCUMENTATION + error.code,
        "title": error.code.replace("-", " ").capitalize(),
        "status": error.status,
        "detail": " ".join(part for part in (error.what, error.why) if part),
        **error.to_dict(),
    }


def problem_of_status(status: int, reason: str) -> dict[str, Any]:
    """Return the problem details of what Jupyter Server or Tornado refused before our code had a say."""
    known = _OF_STATUS.get(status)
    if known is not None:
        return problem(known(reason))
    found = problem(MlopsError(reason))
    return {**found, "type": "about:blank", "title": reason, "status": status, "code": f"http-{status}"}


def internal_problem() -> dict[str, Any]:
    """Return the problem details of a bug: nothing of the traceback leaves the server's log."""
    bug = MlopsError(
        _("jupyter_mlops failed in a way that it should not."),
        why=_("This is a bug. The server's log has the traceback."),
        next=_("Try again; report it with the lines from the log if it stays."),
    )
    return {
        **problem(bug),
        "type": _DOCUMENTATION + "internal",
        "title": "Internal",
        "status": 500,
        "code": "internal",
    }


#: What the disk may answer at any time; other ``OSError``s that come out of a handler are bugs.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def as_mlops_error(error: Exception) -> MlopsError | None:
    """Return what a person should be told of an exception, or None where it is a bug."""
    if isinstance(error, MlopsError):
        return error
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return from_os_error(error, _("finish the request"))
    return None
