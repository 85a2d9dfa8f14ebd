"""Which version of a model a text means, for whoever needs no more than that."""

from __future__ import annotations

from ..workspace import Workspace
from .service import RegistryService


def name_and_version(workspace: Workspace, ref: str) -> str:
    """Return ``name/version`` of ``name/version``, ``name@alias`` or ``name`` (its latest).

    Raises as :meth:`RegistryService.version`.
    """
    found = RegistryService(workspace).version(ref)
    return f"{found.name}/{found.version}"
