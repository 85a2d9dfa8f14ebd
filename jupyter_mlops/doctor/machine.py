"""Programs and devices outside Python."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ..i18n import gettext as _
from ..workspace import Workspace
from .finding import Reporter
from .types import Finding

_report = Reporter("installation")
_TIMEOUT = 8.0


def check(_start: Path, _workspace: Workspace | None) -> Iterator[Finding]:
    """Check git and the GPU."""
    yield _git()
    yield _gpu()


def _ask(*argv: str) -> str | None:
    """Return a program's output; None where it is missing, fails or does not answer."""
    program = shutil.which(argv[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _git() -> Finding:
    version = _ask("git", "--version")
    if version is None:
        return _report(
            "git",
            "warning",
            _("Git is not installed, or does not answer: runs keep no snapshot of the code."),
            _("Install git (Debian: apt-get install git; macOS: xcode-select --install)."),
        )
    return _report("git", "ok", _("{version}.").format(version=version[:1].upper() + version[1:]))


def _gpu() -> Finding:
    listed = _ask("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if not listed:
        return _report("gpu", "info", _("No NVIDIA GPU is seen: models train on the CPU."))
    devices = "; ".join(line.strip() for line in listed.splitlines())
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return _report("gpu", "ok", _("GPU: {devices}.").format(devices=devices))
    if torch.endswith("+cpu"):  # its version says how it was built; importing it would take seconds
        return _report(
            "gpu",
            "warning",
            _("There is a GPU ({devices}), but torch {version} is built for the CPU only.").format(
                devices=devices, version=torch
            ),
            _("Install a build with CUDA: see pytorch.org/get-started."),
        )
    return _report("gpu", "ok", _("GPU: {devices}; torch {version}.").format(devices=devices, version=torch))
