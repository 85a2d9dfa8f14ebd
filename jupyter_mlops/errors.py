"""The one hierarchy of errors. Every face shows the same three things: what happened, why, what to do next.

``code`` is stable and part of the contract: HTTP answers carry it (RFC 9457 problem details), documentation has
an entry for it. ``status`` is the HTTP status that fits; a 500 is a bug and so no class here has it.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

from .i18n import gettext as _


class MlopsError(Exception):
    """Base of all errors that are meant for a person.

    Parameters
    ----------
    what : what happened, one sentence.
    why : the cause, as far as known.
    next : what the person can do about it.
    details : JSON-serialisable facts for programs (a path, a line number, a cell index).
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(self, what: str, *, why: str = "", next: str = "", details: dict[str, Any] | None = None):  # noqa: A002
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.details: dict[str, Any] = details or {}

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.next) if part)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as the JSON object that is stored with failed work and sent over HTTP."""
        return {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "next": self.next,
            "details": self.details,
        }


class InvalidInputError(MlopsError):
    """What the caller gave can't be used."""

    code = "invalid-input"


class ConfigError(MlopsError):
    """``mlops.toml`` or a pipeline file can't be read; ``details`` has ``file``, ``line`` and ``column`` (1-based)."""

    code = "invalid-config"
    status = 422


class NotAWorkspaceError(MlopsError):
    """No ``mlops.toml`` in the folder or above it."""

    code = "not-a-workspace"
    status = 404


class NotFoundError(MlopsError):
    """The named run, model, endpoint, pipeline or file does not exist."""

    code = "not-found"
    status = 404


class ConflictError(MlopsError):
    """The request does not fit the present state (a finished run can't be cancelled, a name is taken)."""

    code = "conflict"
    status = 409


class PathError(MlopsError):
    """A path leaves the workspace, or is not of the expected kind."""

    code = "path-outside-workspace"


class MissingExtraError(MlopsError):
    """An optional dependency is not installed; ``next`` has the exact line that installs it."""

    code = "missing-extra"
    status = 501

    def __init__(self, extra: str, needed_for: str):
        super().__init__(
            _("{needed_for} needs the extra '{extra}', which is not installed.").format(
                needed_for=needed_for, extra=extra
            ),
            next=_('Install it with:  pip install "jupyter_mlops[{extra}]"').format(extra=extra),
            details={"extra": extra},
        )


class MissingProgramError(MlopsError):
    """A program outside Python (git) is not installed."""

    code = "missing-program"
    status = 501


class StoreError(MlopsError):
    """The workspace's database can't be used: locked, corrupt, or from a newer version."""

    code = "store-unavailable"
    status = 503


class DiskFullError(MlopsError):
    """No space is left where the workspace writes."""

    code = "disk-full"
    status = 507


class ReadOnlyError(MlopsError):
    """The folder can't be written."""

    code = "read-only"
    status = 403


class NotebookError(MlopsError):
    """A notebook can't be read or run; ``details`` has ``notebook`` and, where a cell failed, ``cell`` (0-based),
    ``ename``, ``evalue`` and ``traceback``."""

    code = "notebook-failed"
    status = 422


class WorkerError(MlopsError):
    """The worker could not be started or does not answer."""

    code = "worker-unavailable"
    status = 503


class WorkflowError(MlopsError):
    """A workflow ended with an error that nobody foresaw; ``details`` has ``type`` and ``traceback`` (lines)."""

    code = "workflow-failed"
    status = 422


class ServingError(MlopsError):
    """A model server could not be started, is not reachable, or refused the request."""

    code = "serving-failed"
    status = 502


class CancelledError(MlopsError):
    """The work was cancelled by a person."""

    code = "cancelled"
    status = 409


def from_os_error(error: OSError, doing: str, path: Path | str | None = None) -> MlopsError:
    """Say an ``OSError`` in words. ``doing`` completes the sentence "Could not …"."""
    where = str(path or error.filename or "")
    what = _("Could not {doing}.").format(doing=doing)
    details = {"path": where} if where else {}
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            what,
            why=_("No space is left on the disk of {path}.").format(path=where or _("the workspace")),
            next=_("Free some space and try again; what was written before is kept."),
            details=details,
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ReadOnlyError(
            what,
            why=_("{path} can't be written by this user.").format(path=where or _("The folder")),
            next=_("Choose a folder that you may write to, or change its permissions."),
            details=details,
        )
    if isinstance(error, FileNotFoundError):
        return NotFoundError(what, why=_("{path} does not exist.").format(path=where), details=details)
    return InvalidInputError(what, why=str(error), details=details)


def from_database_error(error: BaseException, where: str) -> MlopsError:
    """Say a database driver's error in words. ``where`` names the database (a path or a URL without secrets)."""
    cause: BaseException = getattr(error, "orig", None) or error
    text = str(cause)
    what = _("The workspace's database could not be used.")
    details = {"database": where}
    if "disk is full" in text or "database or disk is full" in text:
        return DiskFullError(
            what,
            why=_("No space is left on the disk of {where}.").format(where=where),
            next=_("Free some space and try again; what was committed before is kept."),
            details=details,
        )
    if "readonly database" in text or "unable to open database" in text:
        return ReadOnlyError(
            what,
            why=_("{where} can't be opened for writing.").format(where=where),
            next=_("Check the permissions of the folder .mlops and of the files in it."),
            details=details,
        )
    if "locked" in text or "busy" in text:
        return StoreError(
            what,
            why=_("Another program holds {where} locked.").format(where=where),
            next=_("Close the program that has it open (`mlops doctor` names it where it can) and try again."),
            details=details,
        )
    if isinstance(cause, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        return StoreError(
            what,
            why=_("{where} is damaged: {text}.").format(where=where, text=text),
            next=_("Run `mlops doctor`; it says how to set the file aside and what can be recovered."),
            details=details,
        )
    return StoreError(what, why=text, next=_("Run `mlops doctor`."), details=details)
