"""Files that a cell asks about without opening them: whether they are there, how large or how old they are.

Python raises no audit event for these questions, so the functions of :mod:`os` that answer them are listened to while
a cell runs. Only questions of the notebook and of the user's modules count: libraries look for folders and for
files of their own all the time.
"""

from __future__ import annotations

import functools
import genericpath
import os
import pathlib
import posixpath
import sys
from collections.abc import Callable
from typing import Any

from .modules import is_local_file

_FUNCTIONS = ("stat", "lstat", "access")
#: Where Python says what these functions can do.
_ABLE = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids)
#: Between the question and the function that answers it.
_BETWEEN = frozenset(
    {os.__file__, genericpath.__file__, posixpath.__file__, __file__}
    | {"<frozen os>", "<frozen genericpath>", "<frozen posixpath>"}
)
#: A module, and from Python 3.13 on a package.
_PATHLIB = pathlib.__file__.rpartition("pathlib")[0] + "pathlib"
#: What asks; what makes, moves or goes through folders looks at files too, and is known otherwise.
_QUESTIONS = frozenset(
    (  # noqa: SIM905
        "exists lexists is_file is_dir is_symlink is_mount isfile isdir islink ismount stat lstat access samefile "
        "getsize getmtime getctime getatime"
    ).split()
)


class Questions:
    """Listens to questions about files between :meth:`begin` and :meth:`end`."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._real: dict[str, Any] = {}
        #: Function → the one that listens in its place: made once, put there for each cell.
        self._listeners: dict[Any, Any] = {}
        self._heard: Callable[[Any], None] = lambda path: None

    def begin(self, heard: Callable[[Any], None]) -> None:
        """Call ``heard`` with each path that is asked about, before the answer."""
        self.end()
        self._heard = heard
        for name in _FUNCTIONS:
            real = getattr(os, name)
            listening = self._listeners.get(real)
            if listening is None:
                listening = self._listeners[real] = self._listening(real)
            self._real[name] = real
            for supports in _ABLE:
                if real in supports:
                    supports.add(listening)
            setattr(os, name, listening)

    def end(self) -> None:
        """Put the functions back."""
        while self._real:
            name, real = self._real.popitem()
            listening = getattr(os, name)
            if getattr(listening, "__wrapped__", None) is real:  # else the user put another one there
                setattr(os, name, real)
            for supports in _ABLE:
                supports.discard(listening)

    def _listening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def ask(path: Any, *args: Any, **options: Any) -> Any:
            if not isinstance(path, int) and self._is_users(sys._getframe(1)):
                self._heard(path)
            return real(path, *args, **options)

        return ask

    def _is_users(self, frame: Any) -> bool:
        while frame is not None:
            code = frame.f_code
            if code.co_filename not in _BETWEEN and not code.co_filename.startswith(_PATHLIB):
                return frame.f_globals is self._namespace or (
                    str(frame.f_globals.get("__name__")).partition(".")[0] != "jupyter_mlops"
                    and is_local_file(code.co_filename)
                )
            if code.co_name not in _QUESTIONS:
                return False
            frame = frame.f_back
        return False
