"""The way to MLflow's registry: a client for one URI, never the global one, and its errors in our words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ConflictError, InvalidInputError, MlopsError, NotFoundError, from_database_error
from ..i18n import gettext as _
from ..store import reach
from ..workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: As MLflow allows them, less control characters and what would make a reference ambiguous.
_NAME = re.compile(r"[^/:@\"\x00-\x1f\x7f\ud800-\udfff]{1,256}")
_ALIAS = re.compile(r"[\w-]{1,255}")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)


def client(workspace: Workspace) -> MlflowClient:
    """Return a client of the workspace's tracking server and registry."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a workspace's work stays on its machine
    from mlflow import MlflowClient

    uri = workspace.tracking_uri
    reach.check(uri)
    with in_words(_("open the model registry")):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def in_words(doing: str, *, missing: str = "") -> Iterator[None]:
    """Raise MLflow's errors as ours. ``doing`` completes "Could not …", ``missing`` says what does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise _translate(error.error_code, error.message, doing, missing, error) from error


def _translate(code: str, message: str, doing: str, missing: str, error: Exception) -> MlopsError:
    what = _("Could not {doing}.").format(doing=doing)
    if code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
        return NotFoundError(missing or what, why=message, next=_("`mlops models list` shows what there is."))
    if code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE"):
        return InvalidInputError(what, why=message)
    if code in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
        return ConflictError(what, why=message)
    if re.search(r"locked|busy|disk is full|readonly database|malformed|not a database|unable to open", message):
        return from_database_error(error, _("the tracking store"))
    return MlopsError(what, why=message, next=_("Check the tracking server; `mlops doctor` does so too."))


def quoted(text: str) -> str:
    """Return ``text`` as a string of MLflow's filter language, which knows no escapes but either kind of quote."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def check_name(name: str) -> str:
    """Return a model's name, or raise :class:`InvalidInputError` where no model can have it."""
    if not _NAME.fullmatch(name) or name.strip() != name or name in (".", ".."):
        raise InvalidInputError(
            _("{name!r} can't be the name of a model.").format(name=name),
            why=_("A name has 1 to 256 printable characters and no / : @ or double quote, nor blanks at its ends."),
        )
    return name


def check_alias(alias: str) -> str:
    """Return an alias, or raise :class:`InvalidInputError`."""
    if not _ALIAS.fullmatch(alias) or _RESERVED_ALIAS.fullmatch(alias):
        raise InvalidInputError(
            _("{alias!r} can't be an alias.").format(alias=alias),
            why=_("An alias has letters, digits, _ and -; `latest` and `v1`, `v2`, … are reserved."),
            next=_("Usual aliases are champion and challenger."),
        )
    return alias


def check_version(version: str) -> str:
    """Return a version number as text, or raise :class:`InvalidInputError`."""
    if not re.fullmatch(r"[0-9]{1,9}", version):
        raise InvalidInputError(
            _("{version!r} is not a version.").format(version=version),
            why=_("Versions are numbers: 1, 2, 3, …"),
        )
    return str(int(version))
