"""The ports of a kernel, held from their choice until the kernel has them.

jupyter_client chooses free ports and lets go of them; the kernel takes them when it has loaded, a second or many
later. What is started in between may be given one of them by the system, and the kernel dies as it starts. So the
sockets that the ports were found with are kept: a port that is bound is given to nobody, but with ``SO_REUSEADDR`` on
both sides Linux lets the kernel bind it too as long as only one of the two listens. ZeroMQ sets that.

Sockets of the file system (jupyter_client's transport ``ipc``) know no such race, but lose output: their buffers are
small, and a kernel drops messages once 1,000 wait. Of 20,000 flushed lines, 23 to 717 were lost in four runs of five.
"""

from __future__ import annotations

import socket
import weakref
from collections.abc import Sequence
from typing import Any

from jupyter_client.connect import port_names

#: What closes the sockets that hold a manager's ports; of managers whose kernel has not answered yet.
_HELD: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def choose_ports(manager: Any) -> None:
    """Choose the ports of a kernel manager whose kernel does not run, and hold them until :func:`release_ports`.

    On systems where a kernel could not take a port that is held, they are only chosen. What is no TCP on this machine
    is left to the manager. Raises ``OSError`` where there are no ports.
    """
    release_ports(manager)
    if manager.transport != "tcp" or manager.kernel_spec.metadata.get("kernel_provisioner"):
        return
    manager.cleanup_connection_file()  # of the ports that it had
    sockets: list[socket.socket] = []
    try:
        for _name in port_names:
            sockets.append(_bound(manager.ip))
        manager.cache_ports = False  # it would choose others
        for name, each in zip(port_names, sockets, strict=True):
            setattr(manager, name, each.getsockname()[1])
        if not _can_be_taken(manager.ip, sockets[0].getsockname()[1]):
            _close(sockets)
    except BaseException:
        _close(sockets)
        raise
    _HELD[manager] = weakref.finalize(manager, _close, sockets)


def awaits_kernel(manager: Any) -> bool:
    """Whether ports were chosen for a kernel of which nobody has said that it answers, or never will."""
    return manager in _HELD


def release_ports(manager: Any) -> None:
    """Let go of a manager's ports: its kernel has taken them, or will not. Nothing happens where none are held."""
    close = _HELD.pop(manager, None)
    if close is not None:
        close()


def _bound(ip: str, port: int = 0) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((ip, port))
    except BaseException:
        found.close()
        raise
    return found


def _can_be_taken(ip: str, port: int) -> bool:
    """Whether another socket may bind a port that is held, and listen."""
    try:
        with _bound(ip, port) as other:
            other.listen(1)
    except OSError:
        return False
    return True


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
