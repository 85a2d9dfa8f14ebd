"""References to a model version as people write them: ``name@alias``, ``name/version``, ``name`` (the latest)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidInputError
from ..i18n import gettext as _
from .client import check_alias, check_name, check_version


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A parsed reference; at most one of ``alias`` and ``version`` is set."""

    name: str
    alias: str = ""
    version: str = ""


def parse_ref(text: str) -> VersionRef:
    """Read a reference; MLflow's ``models:/`` in front is allowed. Raises :class:`InvalidInputError`."""
    body = text.strip().removeprefix("models:/")
    if not body:
        raise InvalidInputError(
            _("No model is named."), next=_("Write name@alias, name/version, or name for its latest version.")
        )
    if "@" in body:
        name, alias = body.rsplit("@", 1)
        return VersionRef(check_name(name), alias=check_alias(alias))
    if "/" in body:
        name, version = body.split("/", 1)
        if version == "latest":
            return VersionRef(check_name(name))
        return VersionRef(check_name(name), version=check_version(version))
    return VersionRef(check_name(body))
