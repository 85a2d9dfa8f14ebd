"""Why a value is run for again instead of being taken from the store."""

from __future__ import annotations

from ..errors import MlopsError
from ..i18n import gettext as _


class NotKeptError(MlopsError):
    """A value can't be written so that it would come back as it is.

    ``details`` has ``name``, ``object`` (the way to the part that can't be kept: ``df.attrs['db']``), ``type``,
    ``reason`` and, where the part is bound to another name of the notebook as well, that name as ``shared_with``.
    """

    code = "not-kept"
    status = 422

    def __init__(self, name: str, where: str, kind: str, reason: str, shared_with: str | None = None):
        super().__init__(
            _("'{name}' can't be kept.").format(name=name),
            why=f"{where}: {kind}: {reason}",
            next=_("Nothing needs to be done: where it is needed, the cell that makes it is run again."),
            details={"name": name, "object": where, "type": kind, "reason": reason, "shared_with": shared_with},
        )
        self.shared_with = shared_with
        self.name = name
        self.where = where
        self.kind = kind
        self.reason = reason


class NotRestoredError(MlopsError):
    """Kept values can't be brought back here: damaged, gone, or made by another Python or package."""

    code = "not-restored"
    status = 409

    def __init__(self, reason: str):
        super().__init__(
            _("Kept variables can't be brought back."),
            why=reason,
            next=_("Run the cell that makes them again."),
            details={"reason": reason},
        )
        self.reason = reason


class CannotKeep(Exception):
    """Raised while an object graph is written; ``culprit`` is the object at which it ends."""

    def __init__(self, culprit: object, reason: str, shared_with: str | None = None):
        super().__init__(reason)
        self.shared_with = shared_with
        self.culprit = culprit
        self.reason = reason
