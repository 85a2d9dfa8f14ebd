"""Files that a cell asks about without opening them: whether they are there, how large or how old they are.

Python raises no audit event for these questions, so the functions of :mod:`os` that answer them are listened to while
a cell runs. Only questions of the notebook and of the user's modules count: libraries look for folders and for
files of their own all the time.
"""

from __future__ import annotations

import copy
import genericpath
import os
import pathlib
import posixpath
from collections.abc import Callable
from sys import _getframe as _frame
from types import CodeType, FrameType
from typing import Any

from .hearing import here
from .modules import is_local_file

_FUNCTIONS = ("stat", "lstat", "access", "fstat", "readlink")
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
        "getsize getmtime getctime getatime fstat readlink realpath _joinrealpath resolve"
    ).split()
)
#: Among these, what asks for more than whether there is something, and its size.
_LOOKS = frozenset(
    {"stat", "lstat", "fstat", "access", "getmtime", "getctime", "getatime", "info", "modified", "created"}
)
#: What asks only whether there is a link, and where it leads.
_LINKS = frozenset({"readlink", "realpath", "resolve", "islink", "is_symlink"})
#: What is asked of a path: its content (whether it is there, its size), its times and mode, where it leads as a link.
CONTENT, TIMES, LINK = 1, 2, 4
#: A package through which people ask for files as they do by those modules, and what asks there.
_FILE_SYSTEMS = f"{os.sep}fsspec{os.sep}"
_OF_FILE_SYSTEMS = _QUESTIONS | {"info", "ls", "modified", "created", "size", "sizes", "du", "find", "glob", "walk"}
_ASKS_FOR_ANOTHER = object()
#: While a cell runs. Not in the listening functions: a variable that has one must not lead to the recorder.
_listening: Questions | None = None


class _Listening:
    """A function of :mod:`os` that tells of each call by the user. Copied and pickled, it is the function itself."""

    __slots__ = ("__wrapped__",)
    #: Where it is looked for; a variable that has it is none that reaches the workbench.
    __module__ = "os"

    def __init__(self, real: Callable[..., Any]):
        self.__wrapped__ = real

    def __call__(self, *args: Any, **options: Any) -> Any:
        questions = _listening
        if questions is not None:
            path = args[0] if args else options.get("path", options.get("fd"))
            if type(path) is not str or (path, id(_frame(1).f_code), id(self)) not in questions.told:
                questions.ask(path, _frame(1), self)
        return self.__wrapped__(*args, **options)

    # `os.supports_fd` and its like have the function: they have this one too.
    def __eq__(self, other: object) -> bool:
        return self is other or other is self.__wrapped__

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __reduce__(self) -> tuple[Any, ...]:
        if _listening is None:  # a variable is kept that has it: what comes back must be heard as well
            return listening, (self.__wrapped__.__name__,)
        return copy.copy, (self.__wrapped__,)


#: Function → the one that listens in its place: made once, put there for each cell.
_listeners: dict[Any, _Listening] = {}


def listening(name: str) -> _Listening:
    """Return what listens in the place of a function of :mod:`os`."""
    real = getattr(os, name)
    if isinstance(real, _Listening):  # another's, which nobody has put back
        real = real.__wrapped__
    found = _listeners.get(real)
    if found is None:
        found = _listeners[real] = _Listening(real)
    return found


class Questions:
    """Listens to questions about files between :meth:`begin` and :meth:`end`."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._real: dict[str, Any] = {}
        self._heard: Callable[[Any, int], None] = lambda path, what: None
        #: Texts that the cell has asked about, each with the code that did and the function that it called, and what
        #: was found out of such code.
        self.told: set[tuple[str, int, int]] = set()
        self._verdicts: dict[int, tuple[CodeType, object]] = {}

    def begin(self, heard: Callable[[Any, int], None]) -> None:
        """Call ``heard`` with each path, or number of an open file, that is asked about, before the answer.

        And with what is asked: :data:`CONTENT`, :data:`TIMES`, :data:`LINK`, or several, added up.
        """
        global _listening
        self.end()
        self._heard = heard
        for name in _FUNCTIONS:
            listener = listening(name)
            self._real[name] = listener.__wrapped__
            setattr(os, name, listener)
        _listening = self

    def end(self) -> None:
        """Put the functions back."""
        global _listening
        _listening = None
        while self._real:
            name, real = self._real.popitem()
            found = getattr(os, name)
            if isinstance(found, _Listening) and found.__wrapped__ is real:  # else the user's own is there
                setattr(os, name, real)
        self.forget()
        self._verdicts.clear()

    def forget(self) -> None:
        """Hear of all paths once more: relative ones may mean others."""
        self.told.clear()

    def ask(self, path: Any, asking: FrameType, function: _Listening) -> None:
        """Tell of a question, where it is the user's."""
        if here.unheard:
            return
        question = str(function.__wrapped__.__name__)
        frame: FrameType | None = asking
        verdict: object = _ASKS_FOR_ANOTHER
        while frame is not None and verdict is _ASKS_FOR_ANOTHER:
            code = frame.f_code
            known = self._verdicts.get(id(code))
            if known is None or known[0] is not code:
                known = self._verdicts[id(code)] = (code, self._of(frame))
            verdict = known[1]
            if verdict is _ASKS_FOR_ANOTHER:
                question = code.co_name
            frame = frame.f_back
        if verdict is True:
            self._heard(path, _asked_by(question))
            if type(path) is str:
                self.told.add((path, id(asking.f_code), id(function)))

    def _of(self, frame: FrameType) -> object:
        code = frame.f_code
        if _FILE_SYSTEMS in code.co_filename and code.co_name in _OF_FILE_SYSTEMS:
            return _ASKS_FOR_ANOTHER
        if code.co_filename not in _BETWEEN and not code.co_filename.startswith(_PATHLIB):
            return frame.f_globals is self._namespace or (
                str(frame.f_globals.get("__name__")).partition(".")[0] != "jupyter_mlops"
                and is_local_file(code.co_filename)
            )
        return _ASKS_FOR_ANOTHER if code.co_name in _QUESTIONS else False


def _asked_by(question: str) -> int:
    if question in _LINKS:
        return LINK
    if question == "lexists":  # of a link that leads nowhere, too
        return CONTENT | LINK
    return CONTENT | TIMES if question in _LOOKS else CONTENT
