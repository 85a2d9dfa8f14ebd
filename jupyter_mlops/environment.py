"""The Python environment that a run had: version of Python, versions of the packages."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from functools import lru_cache
from math import inf
from pathlib import Path

from .workspace import Workspace

#: MLflow tag of a run: hash of its environment; the text lies in ``.mlops/environments/<hash>.txt``.
TAG_ENVIRONMENT = "mlops.environment"
TAG_PYTHON = "mlops.python"
#: Name of the artifact with the same text.
ARTIFACT = "environment.txt"
_FOLDER = "environments"


def environment_lock() -> str:
    """Return this process's environment as text: a comment with Python and platform, then ``name==version`` lines.

    Read off the names of the ``.dist-info`` folders on ``sys.path``: `importlib.metadata` would parse each package's
    metadata, a hundred times as slow in an environment with 400 packages.
    """
    return _lock(tuple(_state(folder) for folder in dict.fromkeys(sys.path) if folder))


def environment_hash() -> str:
    """Return the hash of :func:`environment_lock`, 32 hexadecimal digits."""
    return _hash(environment_lock())


class EnvironmentWatch:
    """The environment's hash from cell to cell, where asking the disk each time would cost more than the cell does."""

    #: Seconds for which what other processes install may go unseen.
    DELAY = 0.25

    def __init__(self) -> None:
        self._asked = -inf
        self._path: list[str] = []
        self._hash = ""

    def hash(self, *, touched: bool = False) -> str:
        """Return :func:`environment_hash`. ``touched``: this process may have installed something since."""
        now = time.monotonic()
        if touched or now - self._asked > self.DELAY or sys.path != self._path:
            self._asked, self._path, self._hash = now, list(sys.path), environment_hash()
        return self._hash


@lru_cache(maxsize=2)
def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def record_environment(workspace: Workspace) -> str:
    """Keep the environment's text in the workspace, once for each different one, and return its hash."""
    text = environment_lock()
    digest = _hash(text)
    file = workspace.state / _FOLDER / f"{digest}.txt"
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = file.with_name(f"{digest}.{os.getpid()}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    return digest


def _state(folder: str) -> tuple[str, int]:
    try:
        return folder, os.stat(folder).st_mtime_ns  # noqa: PTH116 - asked for every folder at every cell
    except OSError:
        return folder, 0


@lru_cache(maxsize=2)
def _lock(folders: tuple[tuple[str, int], ...]) -> str:
    """The folders' change times are part of the key: what is installed while a kernel runs is seen."""
    found: dict[str, str] = {}
    for folder, changed in folders:
        for name, version in _installed(folder, changed):
            found.setdefault(name, version)  # the first on the path is what an import finds
    python = f"# {platform.python_implementation()} {platform.python_version()} on {sys.platform} {platform.machine()}"
    return "\n".join([python, *(f"{name}=={version}" for name, version in sorted(found.items()))]) + "\n"


@lru_cache(maxsize=64)
def _installed(folder: str, _changed: int) -> list[tuple[str, str]]:
    try:
        entries = list(Path(folder).iterdir())
    except OSError:  # a zip file, or a folder that is not there
        return []
    packages = []
    for entry in entries:
        if entry.suffix not in (".dist-info", ".egg-info"):
            continue
        project, dash, version = entry.stem.partition("-")
        if dash:
            packages.append((project.replace("_", "-").lower(), version.split("-py")[0]))
    return packages
