"""What the engine's database stores: arguments, results and errors as JSON, never pickles.

A pickle in a database breaks with the next upgrade and runs code when it is read. An error comes back as the
:class:`MlopsError` that it was; whatever else user code may raise is said in words once, where it happens, so that a
workflow sees the same error when it runs and when it is replayed.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from ..errors import CancelledError, MlopsError, WorkflowError, from_database_error, from_os_error
from ..i18n import gettext as _

#: Lines of a foreign error's traceback that are kept.
_TRACEBACK_LINES = 60


def encode(value: Any) -> str:
    """Return a value (of JSON types) or an exception as JSON. Raises ``TypeError`` for anything else."""
    if isinstance(value, BaseException):
        return json.dumps({"error": error_in_words(value).to_dict()}, default=str)
    return json.dumps({"value": value})


def decode(text: str) -> Any:
    """Return what :func:`encode` was given. An exception is returned, not raised."""
    document = json.loads(text)
    return error_from_dict(document["error"]) if "error" in document else document["value"]


def error_from_dict(data: dict[str, Any]) -> MlopsError:
    """Return the error that ``MlopsError.to_dict`` described, of the class that has its ``code``."""
    error_class = _classes().get(data["code"], MlopsError)
    error = error_class.__new__(error_class)  # not every class takes the five parts (MissingExtraError)
    MlopsError.__init__(
        error, data["what"], why=data.get("why", ""), next=data.get("next", ""), details=data.get("details")
    )
    return error


def error_in_words(error: BaseException, doing: str = "") -> MlopsError:
    """Return any exception as an :class:`MlopsError`; ``doing`` names the workflow or step that raised it."""
    if isinstance(error, MlopsError):
        return error
    if type(error).__name__ == "DBOSAwaitedWorkflowCancelledError":
        return CancelledError(_("The work was cancelled."))
    if isinstance(error, OSError) and error.errno is not None:
        return from_os_error(error, doing or _("do the work"))
    if any(each.__name__ == "DBAPIError" for each in type(error).__mro__):
        return from_database_error(error, doing or _("the database"))
    lines = "".join(traceback.format_exception(error)).splitlines()
    return WorkflowError(
        _("{doing} failed: {error}").format(doing=doing or _("The work"), error=_one_line(error)),
        why=_("The program did not foresee this error."),
        next=_("`mlops worker log` shows where it happened. Please report it."),
        details={"type": type(error).__name__, "traceback": lines[-_TRACEBACK_LINES:]},
    )


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:  # an exception's own __str__ may raise anything
        text = f"<{type(broken).__name__}>"
    return f"{type(error).__name__}: {text}".splitlines()[0][:500]


def _classes() -> dict[str, type[MlopsError]]:
    found: dict[str, type[MlopsError]] = {}
    pending: list[type[MlopsError]] = [MlopsError]
    while pending:
        each = pending.pop()
        found.setdefault(each.code, each)
        pending.extend(each.__subclasses__())
    return found
