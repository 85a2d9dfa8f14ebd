"""Messages between the processes of warm kernels: a length and JSON, over a socket of the machine."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

_HEAD = struct.Struct("!I")
#: No environment is larger.
_LONGEST = 64 * 1024 * 1024


def send(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send a message, and with it open files of this process. Raises ``OSError``."""
    text = json.dumps(message).encode()
    data = _HEAD.pack(len(text)) + text
    if descriptors:
        sent = socket.send_fds(connection, [data], list(descriptors))
        data = data[sent:]
    connection.sendall(data)


def receive(connection: socket.socket, descriptors: int = 0) -> tuple[dict[str, Any], list[int]]:
    """Receive a message and up to ``descriptors`` open files with it, waiting as the socket's time-out says.

    Raises ``EOFError`` where the other side is gone, ``OSError`` and ``ValueError``.
    """
    data = b""
    files: list[int] = []
    if descriptors:
        data, files, _flags, _address = socket.recv_fds(connection, 65536, descriptors)
        if not data:
            raise EOFError
    data += _exactly(connection, _HEAD.size - len(data))
    (length,) = _HEAD.unpack(data[: _HEAD.size])
    if length > _LONGEST:
        raise ValueError(f"a message of {length} bytes")
    text = data[_HEAD.size :] + _exactly(connection, length - (len(data) - _HEAD.size))
    return json.loads(text), files


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size > 0:
        part = connection.recv(size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
