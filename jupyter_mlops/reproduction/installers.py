"""uv and pip: how they make a virtual environment and install into it, and what their failures mean."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import DiskFullError, MissingProgramError, MlopsError, NotFoundError
from ..i18n import gettext as _

InstallerName = Literal["uv", "pip"]

#: Where they would install into another environment, take another Python's modules, or not what the lock says.
_LEADING_ELSEWHERE = (
    *("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_PYTHON", "PIP_CONSTRAINT", "PIP_REQUIREMENT"),
    *("UV_CONSTRAINT", "UV_OVERRIDE", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT"),
)
_SETTINGS = {
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "UV_NO_PROGRESS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "NO_COLOR": "1",
}
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|os error (?:28|122)\b")
_NO_NETWORK = re.compile(
    r"error sending request|tcp connect error|dns error|failed to lookup address|NewConnectionError|Connection refused"
    r"|Network is unreachable|Temporary failure in name resolution|Name or service not known|Max retries exceeded"
    r"|ConnectTimeout",
    re.IGNORECASE,
)
_YANKED = re.compile(r"\bis yanked\b|\byanked version\b", re.IGNORECASE)
_DECORATION = re.compile(r"^[\s×╰─▶│├]*(?:(?:error|cause|Caused by): )?")


class EnvironmentFailedError(MlopsError):
    """A run's environment could not be made again; ``why`` has what the installer said."""

    code = "environment-failed"
    status = 422


@dataclass(frozen=True, slots=True)
class Installer:
    """A program that makes environments and installs packages."""

    name: InstallerName
    command: tuple[str, ...]

    def create(self, implementation: str, version: str, folder: Path) -> list[str]:
        """Return the command that makes a virtual environment in a folder that is there.

        Raises :class:`NotFoundError` where this Python can't be had.
        """
        python = _interpreter(implementation, version)
        if self.name == "uv":
            wanted = python or f"{implementation.lower()}@{version}"
            return [*self.command, "venv", "--no-project", "--allow-existing", "--python", wanted, str(folder)]
        if not python:
            raise no_python(implementation, version, "")
        return [python, "-m", "venv", "--without-pip", str(folder)]

    def install(self, folder: Path, requirements: Path) -> list[str]:
        """Return the command that installs exactly what a requirements file names."""
        python = str(python_of(folder))
        if self.name == "uv":
            return [
                *self.command,
                "pip",
                "install",
                "--python",
                python,
                "--no-deps",
                "--requirement",
                str(requirements),
            ]
        return [*self.command, "--python", python, "install", "--no-deps", "--no-warn-conflicts",
                "--no-warn-script-location", "--requirement", str(requirements)]  # fmt: skip


def choose(wanted: InstallerName | None) -> Installer:
    """Return uv where it is installed, else pip, or the one that is named.

    Raises :class:`MissingProgramError` where it is not there.
    """
    if wanted != "pip":
        if found := shutil.which("uv"):
            return Installer("uv", (found,))
        if importlib.util.find_spec("uv") is not None:
            return Installer("uv", (sys.executable, "-m", "uv"))
    if wanted != "uv" and importlib.util.find_spec("pip") is not None:
        return Installer("pip", (sys.executable, "-m", "pip"))
    raise MissingProgramError(
        _("{program} is not installed.").format(program=wanted or _("uv")),
        why=_("An environment is made, and its packages are installed, by uv or by pip; here is neither.")
        if wanted is None
        else "",
        next=_("Install uv (https://docs.astral.sh/uv/) and try again."),
        details={"program": wanted or "uv"},
    )


def surroundings() -> dict[str, str]:
    """Return the variables that an installer runs with. Which index it asks stays as a person has set it."""
    return {name: value for name, value in os.environ.items() if name not in _LEADING_ELSEWHERE} | _SETTINGS


def python_of(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / "bin" / "python"


def no_python(implementation: str, version: str, said: str) -> MlopsError:
    """Say that a version of Python can't be had."""
    return NotFoundError(
        _("{python} {version}, with which the run was made, can't be had here.").format(
            python=implementation, version=version
        ),
        why=said or _("This is {here}, and no other one on PATH is of that version.").format(here=_here()),
        next=_("`uv python install {version}` fetches it, where uv knows it; or put it on PATH, and try again.").format(
            version=version
        ),
        details={"python": version},
    )


def raise_if_full(lines: Sequence[str], folder: Path) -> None:
    """Raise :class:`DiskFullError` where that is why an installer failed."""
    if any(map(_NO_SPACE.search, lines)):
        raise DiskFullError(
            _("The environment could not be made."),
            why=_("No space is left on the disk of {path}, or on that of the installer's cache.").format(path=folder),
            next=_("Free some space and try again; nothing half-made was kept."),
            details={"path": str(folder)},
        )


def raise_if_unreachable(lines: Sequence[str]) -> None:
    """Raise :class:`EnvironmentFailedError` where an installer failed because no index answers."""
    if unreachable := [line for line in lines if _NO_NETWORK.search(line)]:
        raise EnvironmentFailedError(
            _("The environment could not be made."),
            why=_one_line(dict.fromkeys([unreachable[0], unreachable[-1]])),
            next=_(
                "Check the network and the index that uv or pip is set to, or name a folder with the packages' wheels"
                " (UV_FIND_LINKS and UV_NO_INDEX, or PIP_FIND_LINKS and PIP_NO_INDEX)."
            ),
        )


def reason(lines: Sequence[str]) -> str:
    """Return what an installer said of its failure, as one line."""
    return _one_line(complaints(lines))


def complaints(lines: Sequence[str]) -> list[str]:
    """Return the lines that are about the failure: pip says much else."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return errors or [line for line in lines if line.strip() and not line.startswith("WARNING: Retrying")][-12:]


def _one_line(lines: Iterable[str]) -> str:
    words = (_DECORATION.sub("", line) for line in lines)
    return " ".join(word for word in words if word and not word.startswith(("hint:", "[notice]")))[:600]


def warnings(lines: Sequence[str]) -> list[str]:
    """Return what is said of packages that were installed although their publisher took them back."""
    return [_DECORATION.sub("", line)[:300] for line in lines if _YANKED.search(line)]


def _interpreter(implementation: str, version: str) -> str:
    """Path of an interpreter of exactly this version; empty: there is none."""
    if (implementation, version) == (platform.python_implementation(), platform.python_version()):
        return str(getattr(sys, "_base_executable", "") or sys.executable)
    if implementation != "CPython":
        return ""
    for name in (f"python{version.rpartition('.')[0]}", "python3"):
        path = shutil.which(name)
        if path is not None and _version_of(path) == f"{implementation} {version}":
            return path
    return ""


def _version_of(python: str) -> str:
    ask = "import platform; print(platform.python_implementation(), platform.python_version())"
    try:
        done = subprocess.run(
            [python, "-I", "-c", ask], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _here() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}"
