"""The port of an endpoint: chosen once, kept for good."""

from __future__ import annotations

import zlib

from ..errors import ConflictError
from ..i18n import gettext as _
from ..workspace import Workspace
from . import deployments
from .server import port_is_free

#: Ports tried where mlops.toml names none: below what systems give to outgoing connections (32768 and up on Linux,
#: 49152 on macOS), so that a stopped endpoint does not find its port taken by chance when it starts again.
_FIRST, _LAST = 20_000, 30_000
_TRIES = 2_000


def choose(workspace: Workspace, endpoint: str, host: str) -> int:
    """Return a free port for a new endpoint.

    From the configured first port upwards, else from a place that depends on the workspace and the name, so that two
    workspaces seldom want the same. Raises :class:`ConflictError` where all are taken.
    """
    first = workspace.config.serving.port
    given = deployments.ports(workspace)
    if first:
        candidates = range(first, min(first + _TRIES, 65_536))
    else:
        offset = zlib.crc32(f"{workspace.root}\0{endpoint}".encode()) % (_LAST - _FIRST - _TRIES)
        candidates = range(_FIRST + offset, _FIRST + offset + _TRIES)
    for port in candidates:
        if port not in given and port_is_free(host, port):
            return port
    raise ConflictError(
        _("No port is free for the endpoint {name}.").format(name=endpoint),
        why=_("{first} to {last} at {host} are all taken.").format(first=candidates[0], last=candidates[-1], host=host),
        next=_("Set another first port as [serving] port in mlops.toml."),
    )
