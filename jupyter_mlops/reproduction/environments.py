"""Environments as they are written down (``jupyter_mlops.environment``): two compared, one read to be made again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..environment import EDITABLE
from ..i18n import gettext as _
from .types import PackageChange

if TYPE_CHECKING:
    from ..workspace import Workspace

_HASH = re.compile(r"[0-9a-f]{32}\Z")
_PYTHON = re.compile(r"(\w+) (\d+\.\d+\.\d+\w*)\+? on ")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*\Z")
#: What installers take from elsewhere than an index. Anything else in a kept text is not passed on to them.
_SOURCE = re.compile(r"(?:\./|file:///|https?://|(?:git|hg|svn|bzr)\+[a-z+]+://)\S*\Z")
#: Comments of a lock, by their first word. One that a text lacks is not known: older records have none.
_SYSTEM, _IMAGE = "OS", "Image"


def differences(then: str, now: str) -> list[PackageChange]:
    """Return what differs between two lock texts: Python, operating system and image first, then packages by name."""
    before, after = Lock.of(then), Lock.of(now)
    found = []
    for name, was, is_ in (
        ("Python", before.python, after.python),
        (_("operating system"), before.system, after.system),
        (_("container image"), before.image, after.image),
    ):
        if was != is_ and ((was and is_) or name == "Python"):
            found.append(PackageChange(name=name, then=was, now=is_))
    for name in sorted({*before.packages, *after.packages}):
        was, is_ = before.packages.get(name, ""), after.packages.get(name, "")
        if was != is_:
            found.append(PackageChange(name=name, then=was, now=is_))
    return found


def text_of(workspace: Workspace, digest: str) -> str:
    """Return the lock text of an environment by its hash; empty where it is not kept."""
    if not _HASH.match(digest):
        return ""
    try:
        return (workspace.state / "environments" / f"{digest}.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def as_far_as_known(text: str, then: str) -> str:
    """Return a lock text without the comments that ``then`` does not have, so that their hashes can be compared."""
    lock = Lock.of(then)
    unknown = tuple(f"# {word}: " for word, value in ((_SYSTEM, lock.system), (_IMAGE, lock.image)) if not value)
    return "".join(line for line in text.splitlines(keepends=True) if not (unknown and line.startswith(unknown)))


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock text, read."""

    #: As it is written: implementation, version and platform.
    python: str
    system: str
    image: str
    #: Normalised name → version.
    packages: dict[str, str]

    @classmethod
    def of(cls, text: str) -> Lock:
        """Read a lock text; lines that say nothing are passed over."""
        python = ""
        told: dict[str, str] = {}
        packages = {}
        for line in text.splitlines():
            if line.startswith("# "):
                word, colon, value = line[2:].partition(": ")
                if colon:
                    told[word] = value
                else:
                    python = python or line[2:]
                continue
            name, equals, version = line.partition("==")
            if equals:
                packages[normalised(name)] = version
        return cls(python, told.get(_SYSTEM, ""), told.get(_IMAGE, ""), packages)

    @property
    def interpreter(self) -> tuple[str, str]:
        """Implementation and version of Python, such as ``("CPython", "3.11.7")``; empty where it is not told."""
        found = _PYTHON.match(self.python)
        return (found[1], found[2]) if found else ("", "")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package to install."""

    name: str
    version: str
    #: Line of a requirements file; empty: it can't be installed.
    line: str
    #: Why not.
    why: str = ""
    #: It comes from a repository, a file or a folder.
    direct: bool = False


def requirements(lock: Lock, sources: str, places: list[tuple[Path, Path]]) -> list[Requirement]:
    """Return what is to be installed for a lock, in its order.

    ``sources``: see :func:`jupyter_mlops.environment.environment_sources`. ``places``: folder of then → folder that has
    what it had then, the first that fits; the first one is what relative places are relative to.
    """
    known = dict(_read_source(line) for line in sources.splitlines())
    found = []
    for name, version in lock.packages.items():
        if not _NAME.match(name) or not _VERSION.match(version):
            why = _("The record names it {text}, which can't be installed.").format(text=f"{name}=={version}"[:200])
            found.append(Requirement(name, version, "", why))
        elif source := known.get(name, ""):
            found.append(_direct(name, version, source, places))
        else:
            found.append(Requirement(name, version, f"{name}=={version}"))
    return found


def normalised(name: str) -> str:
    """Return a package's name as all its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _read_source(line: str) -> tuple[str, str]:
    name, _at, source = line.partition(" @ ")
    return normalised(name), source if _SOURCE.match(source.removesuffix(EDITABLE)) else ""


def _direct(name: str, version: str, source: str, places: list[tuple[Path, Path]]) -> Requirement:
    url = source.removesuffix(EDITABLE)
    if url.startswith(("./", "file:///")):
        root = places[0][0]
        path = root / unquote(url[2:]) if url.startswith("./") else Path(unquote(url.removeprefix("file://")))
        # As the run had it, rather than as it is now; what git does not keep is only here.
        kept = [there / path.relative_to(here) for here, there in places if path.is_relative_to(here)]
        found = next((each for each in [*kept, path] if each.exists()), None)
        if found is None:
            why = _("It was installed from {path}, which is not there.").format(path=url)
            return Requirement(name, version, "", why, direct=True)
        url = found.resolve().as_uri()
        if source.endswith(EDITABLE):
            return Requirement(name, version, f"--editable {url}", direct=True)
    return Requirement(name, version, f"{name} @ {url}", direct=True)
