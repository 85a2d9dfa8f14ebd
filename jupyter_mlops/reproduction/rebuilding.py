"""Making a run's environment again: Python and the packages of its lock, in ``.venv`` of a restored work tree."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import environment
from ..errors import ConflictError, from_os_error
from ..i18n import gettext as _
from ..versioning.service import make_hidden_folder
from . import installers
from .environments import Lock, Requirement, as_far_as_known, differences, normalised, requirements
from .installers import EnvironmentFailedError, Installer
from .programs import Done, run
from .types import PackageChange, RebuiltEnvironment, UnavailablePackage

if TYPE_CHECKING:
    from ..workspace import Workspace

FOLDER = ".venv"
#: File in a folder that is not finished; who makes it holds a lock of it, and without the lock nobody makes it.
_UNFINISHED = "mlops-unfinished"
#: So many packages that can't be had, and none that can: the index is not the one, and the others would fail as well.
_ENOUGH = 8
#: Longest time of a look at the new environment, seconds.
_LOOK_S = 120.0

Progress = Callable[[str], None]


class Rebuilding:
    """One environment in the making."""

    def __init__(
        self,
        workspace: Workspace,
        lock_text: str,
        sources: str,
        tree: Path,
        places: list[tuple[Path, Path]],
        installer: Installer,
        cancelled: threading.Event,
        on_progress: Progress,
    ):
        self._workspace = workspace
        self._text = lock_text
        self._lock = Lock.of(lock_text)
        self._wanted = requirements(self._lock, sources, places)
        self._tree, self._folder = tree, tree / FOLDER
        self._installer = installer
        self._cancelled, self._on_progress = cancelled, on_progress
        self._env = installers.surroundings()
        self._installed = 0
        self._unavailable: list[UnavailablePackage] = []
        self._notes: list[str] = []

    @property
    def folder(self) -> Path:
        """The virtual environment."""
        return self._folder

    @property
    def total(self) -> int:
        """Packages that are to be installed."""
        return len(self._wanted)

    @property
    def done(self) -> int:
        """Packages that are in it by now: what the installers print of that depends on their version."""
        return min(self.total, sum(1 for _each in self._folder.glob("lib/*/site-packages/*.dist-info")))

    def check(self, run_id: str, *, replace: bool) -> None:
        """Raise what :meth:`run` would, as far as a look tells: no Python recorded, being made, already there."""
        self._interpreter(run_id)
        if being_made(self._folder):
            raise _being_made(self._folder)
        if not replace and os.path.lexists(self._folder) and not (self._folder / _UNFINISHED).exists():
            raise _there(self._folder)

    def run(self, run_id: str, name: str, *, replace: bool) -> RebuiltEnvironment:
        """Make it, and compare it; see :meth:`.service.ReproductionService.rebuild`."""
        implementation, version = self._interpreter(run_id)
        try:
            with _unfinished(self._folder, replace=replace), tempfile.TemporaryDirectory() as scratch:
                self._create(implementation, version)
                self._install_all(Path(scratch) / "requirements.txt")
                now = as_far_as_known(self._look(), self._text)
                kernel = self._kernel(name) if "ipykernel" in self._lock.packages else ""
        except OSError as error:
            raise from_os_error(error, _("make the environment"), self._folder) from error
        changes = [*self._lost(now), *differences(self._text, now)]
        return RebuiltEnvironment(
            run_id=run_id,
            name=name,
            status="different" if changes else "equal",
            folder=self._workspace.relative(self._folder),
            installer=self._installer.name,
            installed=self._installed,
            hash_then=environment.hash_of(self._text),
            hash_now=environment.hash_of(now),
            packages=changes,
            unavailable=self._unavailable,
            kernel=kernel,
            programs=[each for each in ("jupyter-lab", "mlops") if (self._folder / "bin" / each).exists()],
            notes=self._notes,
        )

    def _interpreter(self, run_id: str) -> tuple[str, str]:
        implementation, version = self._lock.interpreter
        if not implementation:
            raise EnvironmentFailedError(
                _("The environment of the run can't be made again."),
                why=_("Its record does not say which Python it had."),
                next=_("`mlops restore {run_id}` writes what is recorded to a file.").format(run_id=run_id),
            )
        return implementation, version

    def _create(self, implementation: str, version: str) -> None:
        self._on_progress(_("{python} {version}").format(python=implementation, version=version))
        done = self._call(self._installer.create(implementation, version, self._folder))
        if done.status:
            installers.raise_if_full(done.lines, self._folder)
            raise installers.no_python(implementation, version, installers.reason(done.lines))
        make_hidden_folder(self._folder)

    # -- installing --------------------------------------------------------------------------------------------

    def _install_all(self, file: Path) -> None:
        indexed = [each for each in self._wanted if each.line and not each.direct]
        direct = [each for each in self._wanted if each.line and each.direct]
        self._unavailable += [
            UnavailablePackage(name=each.name, version=each.version, why=each.why)
            for each in self._wanted
            if not each.line
        ]
        self._on_progress(
            _("Installing {n} packages with {program}").format(n=len(self._wanted), program=self._installer.name)
        )
        self._install(indexed, file)
        for each in direct:  # one that can't be built or fetched leaves the others alone
            self._install([each], file)
        if self._unavailable and not self._installed:
            self._give_up()

    def _install(self, wanted: Sequence[Requirement], file: Path) -> None:
        """Install all of them, or those that can be had: what is named in the failure goes apart, else each half."""
        if not wanted:
            return
        if not self._installed and len(self._unavailable) >= _ENOUGH:
            self._give_up()
        file.write_text("".join(f"{each.line}\n" for each in wanted), encoding="utf-8")
        done = self._call(self._installer.install(self._folder, file))
        self._notes += [each for each in installers.warnings(done.lines) if each not in self._notes]
        if not done.status:
            self._installed += len(wanted)
            return
        installers.raise_if_full(done.lines, self._folder)
        if not wanted[0].direct:  # the place of one package is not the index of all
            installers.raise_if_unreachable(done.lines)
        if len(wanted) == 1:
            why = installers.reason(done.lines) + _hint(wanted[0])
            self._unavailable.append(UnavailablePackage(name=wanted[0].name, version=wanted[0].version, why=why))
            self._on_progress(_("{name} can't be had").format(name=wanted[0].name))
            return
        named = _named(wanted, done.lines)
        if named and len(named) < len(wanted):
            self._install([each for each in wanted if each not in named], file)
            for each in named:
                self._install([each], file)
        else:
            half = len(wanted) // 2
            self._install(wanted[:half], file)
            self._install(wanted[half:], file)

    def _give_up(self) -> None:
        raise EnvironmentFailedError(
            _("The environment could not be made: none of its packages can be had."),
            why=self._unavailable[-1].why,
            next=_("Set uv or pip to the index that the packages came from (UV_INDEX, PIP_INDEX_URL), and try again."),
        )

    def _call(self, command: Sequence[str]) -> Done:
        return run(command, folder=self._tree, env=self._env, on_line=self._on_progress, cancelled=self._cancelled)

    # -- looking at it -----------------------------------------------------------------------------------------

    def _look(self) -> str:
        """The lock text of what was made, written by its own Python."""
        python = str(installers.python_of(self._folder))
        try:
            done = subprocess.run(
                [python, "-I", "-X", "utf8", str(environment.__file__)],
                cwd=self._tree, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LOOK_S,
                check=True,
            )  # fmt: skip
        except (subprocess.SubprocessError, OSError) as error:
            raise EnvironmentFailedError(
                _("The environment was made, but its Python does not run."),
                why=(getattr(error, "stderr", None) or str(error).encode()).decode("utf-8", "replace")[-600:],
                next=_("Try again; if it stays, this Python or one of the packages does not suit this machine."),
            ) from error
        text = done.stdout.decode("utf-8", "replace")
        return text[text.find("# ") :]  # modules that a package loads at the start may print, too

    def _lost(self, now: str) -> list[PackageChange]:
        """What the run's record says of the system, and this machine does not."""
        after = Lock.of(now)
        return [
            PackageChange(name=name, then=was, now="")
            for name, was, is_ in (
                (_("operating system"), self._lock.system, after.system),
                (_("container image"), self._lock.image, after.image),
            )
            if was and not is_
        ]

    def _kernel(self, name: str) -> str:
        """Describe the environment's kernel to Jupyter; the description that ipykernel brings names any ``python``."""
        if any(each.name == "ipykernel" for each in self._unavailable):
            return ""
        kernel = f"mlops-{name.lower()}"
        folder = self._folder / "share" / "jupyter" / "kernels" / kernel
        folder.mkdir(parents=True, exist_ok=True)
        python = str(installers.python_of(self._folder))
        spec = {
            "argv": [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": _("Python of {name}").format(name=name),
            "language": "python",
            "metadata": {"debugger": True},
        }
        (folder / "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
        return kernel


def _named(wanted: Sequence[Requirement], lines: Sequence[str]) -> list[Requirement]:
    said = "\n".join(installers.complaints(lines))
    words = {normalised(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", said)}
    return [each for each in wanted if each.name in words]


def _hint(wanted: Requirement) -> str:
    if "+" not in wanted.version or wanted.direct:
        return ""
    return " " + _("Builds such as {build} are at an index of their publisher's.").format(
        build="+" + wanted.version.partition("+")[2]
    )


def being_made(folder: Path) -> bool:
    """Whether a process that lives makes an environment in a folder."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), (folder / _UNFINISHED).open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def _unfinished(folder: Path, *, replace: bool) -> Iterator[None]:
    """Hold a folder while it is made; it goes where that fails, and what a killed process left of it went before."""
    mark = folder / _UNFINISHED
    if os.path.lexists(folder):
        if not folder.is_symlink() and mark.exists():
            with _locked(mark, folder):  # raises while another process makes it
                shutil.rmtree(folder)
        elif not replace:
            raise _there(folder)
        elif folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink()
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise _being_made(folder) from error
    try:
        mark.touch()
        with _locked(mark, folder):
            yield
        mark.unlink()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _locked(mark: Path, folder: Path) -> Iterator[None]:
    with mark.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _being_made(folder) from error
        yield


def _there(folder: Path) -> ConflictError:
    return ConflictError(
        _("There is an environment already: {path}.").format(path=folder),
        next=_("Keep it, or let it be made anew with `--force`."),
        details={"path": str(folder)},
    )


def _being_made(folder: Path) -> ConflictError:
    return ConflictError(
        _("The environment {path} is being made.").format(path=folder),
        why=_("Another process is at it."),
        next=_("Wait for it, or end that process and try again."),
    )
