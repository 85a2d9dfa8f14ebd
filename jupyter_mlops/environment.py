"""The environment that a run had: version of Python, operating system, versions of the packages.

Another environment's Python runs this file to say what it has (``reproduction.rebuilding``), and that environment may
lack this package: so nothing of it is imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import time
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from .workspace import Workspace

#: MLflow tag of a run: hash of its environment; the text lies in ``.mlops/environments/<hash>.txt``.
TAG_ENVIRONMENT = "mlops.environment"
TAG_PYTHON = "mlops.python"
#: Name of the artifact with the same text.
ARTIFACT = "environment.txt"
#: Name of the artifact that says where those packages came from that were not taken from an index.
SOURCES_ARTIFACT = "environment-sources.txt"
#: Ends a line of it for a package that was installed editable.
EDITABLE = "  # editable"
_FOLDER = "environments"
#: Container image, where JupyterHub's spawners started the server; the second is the older name.
_IMAGE_VARIABLES = ("JUPYTER_IMAGE", "JUPYTER_IMAGE_SPEC")
_SEPARATORS = re.compile(r"[-_.]+")


def environment_lock() -> str:
    """Return this process's environment as text: comments with Python, platform and OS, then ``name==version`` lines.

    Read off the names of the ``.dist-info`` folders on ``sys.path``: `importlib.metadata` would parse each package's
    metadata, a hundred times as slow in an environment with 400 packages.
    """
    return _lock(tuple(_state(folder) for folder in dict.fromkeys(sys.path) if folder))


def environment_hash() -> str:
    """Return the hash of :func:`environment_lock`, 32 hexadecimal digits."""
    return hash_of(environment_lock())


def environment_sources(root: Path) -> str:
    """Return ``name @ url`` lines for the packages that came from a repository, a file or a folder; often empty.

    This is what the installers recorded (PEP 610). Places below the folder ``root`` are relative to it; passwords,
    tokens and queries of URLs are left out. No part of the hash: the same package lies elsewhere on another machine.
    """
    return _sources(tuple(_state(folder) for folder in dict.fromkeys(sys.path) if folder), root)


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
def hash_of(text: str) -> str:
    """Return the hash of a lock text."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def record_environment(workspace: Workspace) -> str:
    """Keep the environment's text in the workspace, once for each different one, and return its hash."""
    text = environment_lock()
    digest = hash_of(text)
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
    comments = [
        f"# {platform.python_implementation()} {platform.python_version()} on {sys.platform} {platform.machine()}",
        *_system(),
    ]
    return "\n".join([*comments, *(f"{name}=={version}" for name, version in sorted(found.items()))]) + "\n"


@lru_cache(maxsize=1)
def _system() -> tuple[str, ...]:
    """Neither changes while a process lives; what is not told has no line."""
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:  # no Linux, or a container made from scratch
        version = platform.mac_ver()[0]
        system = f"macOS {version}" if version else ""
    image = next(filter(None, map(os.environ.get, _IMAGE_VARIABLES)), "")
    told = (("OS", system), ("Image", image))
    return tuple(f"# {what}: {' '.join(value.split())[:200]}" for what, value in told if value.strip())


@lru_cache(maxsize=64)
def _installed(folder: str, _changed: int) -> list[tuple[str, str]]:
    return [(name, entry.stem.partition("-")[2].split("-py")[0]) for name, entry in _entries(folder)]


@lru_cache(maxsize=2)
def _sources(folders: tuple[tuple[str, int], ...], root: Path) -> str:
    found: dict[str, Path] = {}
    for folder, _changed in folders:
        for name, entry in _entries(folder):
            found.setdefault(name, entry)
    told = ((name, _source(entry, root)) for name, entry in sorted(found.items()))
    return "".join(f"{name} @ {source}\n" for name, source in told if source)


def _entries(folder: str) -> list[tuple[str, Path]]:
    """The packages in a folder: normalised name, and the folder with its metadata."""
    try:
        entries = list(Path(folder).iterdir()) if folder else []
    except OSError:  # a zip file, or a folder that is not there
        return []
    return [
        (_SEPARATORS.sub("-", entry.stem.partition("-")[0]).lower(), entry)
        for entry in entries
        if entry.suffix in (".dist-info", ".egg-info") and "-" in entry.stem
    ]


def _source(entry: Path, root: Path) -> str:
    """Where a package came from, as ``pip`` and ``uv`` take it after ``@``; empty: an index, or it is not told."""
    try:
        facts: Any = json.loads((entry / "direct_url.json").read_text(encoding="utf-8"))
        parts = urlsplit(facts["url"])
        vcs, archive = facts.get("vcs_info", {}), facts.get("archive_info", {})
        if parts.scheme == "file" and not vcs:
            # A query or fragment can't be in it: "?" and "#" of a path are quoted.
            place = _below(root, unquote(parts.path)) or parts.path
            end = EDITABLE if facts.get("dir_info", {}).get("editable") else ""
            return (place if place.startswith("./") else f"file://{place}") + end
        fragment = [f"subdirectory={facts['subdirectory']}"] if facts.get("subdirectory") else []
        digest = archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")
        fragment += [f"sha256={digest}"] if digest else []
        netloc, path = _without_secrets(parts.netloc, parts.scheme), parts.path
        if vcs:
            path = f"{path}@{vcs['commit_id']}"
        url = urlunsplit((parts.scheme, netloc, path, "", "&".join(fragment)))
        line = f"{vcs['vcs']}+{url}" if vcs else url
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or not what PEP 610 says
        return ""
    return "" if re.search(r"\s", line) or not parts.scheme else line


def _below(root: Path, path: str) -> str:
    relative = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    if relative == "..":
        return ""
    return "" if relative.startswith("../") else "./" + ("" if relative == "." else quote(relative))


def _without_secrets(netloc: str, scheme: str) -> str:
    user, at, host = netloc.rpartition("@")
    # Of ssh the name is no secret; a variable's name is none either.
    kept = (scheme == "ssh" and ":" not in user) or re.fullmatch(r"\$\{\w+\}(:\$\{\w+\})?", user)
    return netloc if at and kept else host


if __name__ == "__main__":
    sys.stdout.write(environment_lock())
