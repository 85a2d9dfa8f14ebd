"""Running git: never a prompt, a hook or a wait without end, and never a lock on the user's index."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from ..errors import MissingProgramError, MlopsError
from ..i18n import gettext as _

#: Longest time of one command that reads a little, and of one that reads the work tree, seconds.
QUICK_S = 10.0
SLOW_S = 120.0
#: Variables that would point git at another repository (a Jupyter started from a git hook has them).
_REDIRECTING = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)
_SETTINGS = (
    "core.hooksPath=/dev/null",  # reference-transaction and post-index-change would run
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",  # a partial clone would fetch missing objects
)


class GitError(MlopsError):
    """A git command failed; ``why`` has what git said."""

    code = "git-failed"
    status = 409


class Git:
    """Git commands in one folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def run(
        self,
        *arguments: str,
        given: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = QUICK_S,
        accept: Sequence[int] = (0,),
        pass_fds: Sequence[int] = (),
    ) -> bytes:
        """Run ``git <arguments>`` with ``given`` on its standard input and return its standard output.

        ``pass_fds``: open files that git holds as long as it runs, even if this process is killed (locks).
        Raises :class:`MissingProgramError` without git, :class:`GitError` on an exit status not in ``accept`` or after
        ``timeout`` seconds.
        """
        return self.result(*arguments, given=given, env=env, timeout=timeout, accept=accept, pass_fds=pass_fds).stdout

    def result(
        self,
        *arguments: str,
        given: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = QUICK_S,
        accept: Sequence[int] = (0,),
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Like :meth:`run`, with the exit status."""
        command = [program(), *(part for setting in _SETTINGS for part in ("-c", setting)), *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=_environment(env or {}),
                input=given if given is not None else b"",
                capture_output=True,
                timeout=timeout,
                check=False,
                pass_fds=pass_fds,
            )
        except subprocess.TimeoutExpired as error:
            raise GitError(
                _("`git {command}` did not end within {seconds:.0f} seconds.").format(
                    command=arguments[0], seconds=timeout
                ),
                why=_("The repository is very large, or its disk is slow."),
                next=_("Leave large generated folders to .gitignore, or set [versioning] snapshots = false."),
            ) from error
        except OSError as error:
            raise GitError(_("git could not be run."), why=str(error)) from error
        if done.returncode not in accept:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise GitError(
                _("`git {command}` failed.").format(command=arguments[0]),
                why=said[-1000:] or _("Exit status {status}.").format(status=done.returncode),
                details={"status": done.returncode},
            )
        return done


def program() -> str:
    """Return the path of git; raise :class:`MissingProgramError` where it is not installed."""
    found = _find(os.environ.get("PATH", ""))
    if found is None:
        raise MissingProgramError(
            _("git is not installed."),
            why=_("Snapshots of a workspace and versions of its notebooks are kept by it."),
            next=_("Install git (Debian: apt-get install git; macOS: xcode-select --install) and try again."),
            details={"program": "git"},
        )
    return found


@lru_cache(maxsize=4)
def _find(path: str) -> str | None:
    return shutil.which("git", path=path)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key not in _REDIRECTING}
    return {
        **environment,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",  # `git status` would rewrite the index
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
        **extra,
    }
