"""Two environments compared, line by line of their lock texts (``jupyter_mlops.environment``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .types import PackageChange

if TYPE_CHECKING:
    from ..workspace import Workspace

_HASH = re.compile(r"[0-9a-f]{32}\Z")


def differences(then: str, now: str) -> list[PackageChange]:
    """Return the packages whose versions differ between two lock texts, Python itself first."""
    before, after = _versions(then), _versions(now)
    names = sorted({*before, *after}, key=lambda name: (name != "Python", name))
    return [
        PackageChange(name=name, then=before.get(name, ""), now=after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]


def text_of(workspace: Workspace, digest: str) -> str:
    """Return the lock text of an environment by its hash; empty where it is not kept."""
    if not _HASH.match(digest):
        return ""
    try:
        return (workspace.state / "environments" / f"{digest}.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _versions(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            found["Python"] = line[2:]
        else:
            name, equals, version = line.partition("==")
            if equals:
                found[name] = version
    return found
