"""Is everything installed, in versions that go together?"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from .._version import __version__
from ..i18n import gettext as _
from ..workspace import Workspace
from .finding import Reporter
from .types import Finding

_report = Reporter("installation")
_OLDEST_PYTHON = (3, 11)
#: Extras for those who develop jupyter_mlops itself, and those that only join others.
_NOT_FOR_USERS = {"test", "lint", "docs", "build", "dev", "all", "example"}
_SHOWN = ("mlflow", "dbos", "jupyterlab", "scikit-learn")


def check(_start: Path, _workspace: Workspace | None) -> Iterator[Finding]:
    """Check Python, the core's packages and the extras."""
    if sys.version_info >= _OLDEST_PYTHON:
        yield _report("python", "ok", _("Python {version}.").format(version=platform.python_version()))
    else:
        yield _report(
            "python",
            "error",
            _("Python {version} is too old.").format(version=platform.python_version()),
            _("Install Python 3.11 or newer."),
        )
    core, extras = _requirements()
    wrong = [said for requirement in core if (said := _wrong(requirement))]
    if wrong:
        yield _report(
            "packages",
            "error",
            _("Packages do not fit: {wrong}.").format(wrong="; ".join(wrong)),
            _("Install them again:  pip install --upgrade jupyter_mlops"),
        )
    else:
        shown = ", ".join(f"{name} {metadata.version(name)}" for name in _SHOWN)
        yield _report(
            "packages",
            "ok",
            _("jupyter_mlops {version} and the {n} packages it needs ({shown}).").format(
                version=__version__, n=len(core), shown=shown
            ),
        )
    yield from _extras(extras)


def _requirements() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """Return what the core needs and what each extra needs beside it."""
    found = metadata.distribution("jupyter_mlops")
    names = [name for name in found.metadata.get_all("Provides-Extra") or [] if name not in _NOT_FOR_USERS]
    requirements = [Requirement(text) for text in found.requires or []]
    core = [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    extras = {
        name: [
            each
            for each in requirements
            if each.marker is not None and each.marker.evaluate({"extra": name}) and each not in core
        ]
        for name in names
    }
    return core, extras


def _wrong(requirement: Requirement) -> str:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return _("{name} is not installed").format(name=requirement.name)
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return _("{name} is {version}, but {wanted} is needed").format(
        name=requirement.name, version=version, wanted=requirement.specifier
    )


def _extras(extras: dict[str, list[Requirement]]) -> Iterator[Finding]:
    installed: list[str] = []
    missing: list[str] = []
    for name, needed in extras.items():
        absent = [each for each in needed if not _is_installed(each)]
        (missing if absent else installed).append(name)
        wrong = [] if absent else [said for each in needed if (said := _wrong(each))]
        if wrong:
            yield _report(
                f"extra-{name}",
                "warning",
                _("Extra {name}: {wrong}.").format(name=name, wrong="; ".join(wrong)),
                f'pip install --upgrade "jupyter_mlops[{name}]"',
            )
    yield _report(
        "extras",
        "info" if missing else "ok",
        _("Extras installed: {installed}. Not installed: {missing}.").format(
            installed=", ".join(installed) or _("none"), missing=", ".join(missing) or _("none")
        ),
        _('What you need of them is installed with:  pip install "jupyter_mlops[{name}]"').format(name=missing[0])
        if missing
        else "",
    )


def _is_installed(requirement: Requirement) -> bool:
    try:
        metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    return True
