"""The lock on a journal of outputs: whoever executes or recovers a notebook holds it (``flock``)."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from ..errors import ConflictError, from_os_error
from ..i18n import gettext as _

#: A process that was just killed lets go of its files within milliseconds; under load, a little later.
RELEASE_PATIENCE = 5.0


def hold(path: Path, *, todo: str, create: bool = False, patience: float = RELEASE_PATIENCE) -> int | None:
    """Return the journal's open file, locked until it is closed; None where there is no journal (any more).

    ``create``: make it where there is none. ``todo``: what a person can do while another process has it.
    Raises :class:`ConflictError` where another one has it for ``patience`` seconds, :class:`MlopsError` where it can't
    be opened.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return _try(path, create=create)
        except _ReplacedError:
            continue
        except FileNotFoundError:
            return None
        except BlockingIOError:
            if time.monotonic() > end:
                raise ConflictError(
                    _("{notebook} is being executed.").format(notebook=path.name[1:].removesuffix(".journal")),
                    next=todo,
                ) from None
            time.sleep(0.02)
        except OSError as error:
            raise from_os_error(error, _("read the journal"), path) from error


def is_at(path: Path, file: int) -> bool:
    """Whether an open file is what lies at the path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


class _ReplacedError(Exception):
    """What was locked is no longer the journal."""


def _try(path: Path, *, create: bool) -> int:
    # A pipe of this name must not hold us up.
    how = (os.O_RDWR | os.O_CREAT | os.O_APPEND) if create else os.O_RDONLY
    file = os.open(path, how | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not is_at(path, file):
            raise _ReplacedError
    except BaseException:
        os.close(file)
        raise
    return file
