"""The repository in which versions of notebooks are kept: a bare one of our own, ``.mlops/notebooks.git``.

Each version is a commit of one file, under a ref of its own: ``refs/mlops/notebooks/<notebook>/<version>``. So a
version's id never changes, taking one away rewrites no other, and one command moves all versions of a renamed
notebook. Commits have no parents: the order is that of the versions' ids.

Writers hold a lock, and so does the git that they run, should they be killed. So the repository can be packed and
pruned by ourselves, without git's grace period for unreachable objects, and git's own lock files are known to be left
over from a git that was killed.
"""

from __future__ import annotations

import calendar
import contextlib
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence

from ..errors import from_os_error
from ..i18n import gettext as _
from ..workspace import Workspace
from .git import SLOW_S, Git, GitError
from .notebook_locks import remove_left_over, take
from .snapshots import IDENTITY

FOLDER = "notebooks.git"
_ROOT = "refs/mlops/notebooks"
#: Git may need this long to compress a large notebook or to pack the repository, seconds.
_PACK_S = 600.0
#: A writer waits this long for another one, which may be packing and has more to do then, and for a git that a person
#: has started by hand, seconds.
_LOCK_S = _PACK_S + SLOW_S
_FOREIGN_S = 10.0
#: Loose objects are packed when there are about this many.
_PACK_ABOVE = 600
_logger = logging.getLogger(__name__)


class NotebookRepository:
    """Plumbing of the repository; what the commits mean is the business of ``notebook_store``."""

    def __init__(self, workspace: Workspace):
        self.folder = workspace.state / FOLDER
        self._workspace = workspace
        self._git = Git(workspace.root)
        self._held = threading.local()
        self._env = {
            "GIT_DIR": str(self.folder),
            # What the user configured (signing, filters, hash) is for the user's commits.
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DEFAULT_HASH": "sha1",
        }

    @property
    def exists(self) -> bool:
        """Whether a version was ever kept."""
        return (self.folder / "HEAD").is_file()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock (the system releases it if this process is killed); the repository is made where it is not.

        Raises :class:`GitError` where another program holds it for twelve minutes.
        """
        self._workspace.ensure_state()
        try:
            lock = os.open(self._workspace.state / f"{FOLDER}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise from_os_error(error, _("keep a version of a notebook"), self._workspace.state) from error
        try:
            if not take(lock, _LOCK_S):
                raise GitError(
                    _("The versions of notebooks are in use by another program."),
                    why=_("It has held their lock for {minutes:.0f} minutes.").format(minutes=_LOCK_S / 60),
                    next=_("Look for a git or a Jupyter that hangs, end it, and try again."),
                )
            self._held.lock = lock
            if not self.exists:
                self._make()
            yield
        finally:
            self._held.lock = None
            os.close(lock)

    def _make(self) -> None:
        """Make the repository under another name first: half a repository would be none for ever."""
        new = self.folder.with_name(f"{FOLDER}.new")
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(mode=0o700)
            environment = {**self._env, "GIT_DIR": str(new)}
            self._git.run("init", "--quiet", "--bare", "--template=", env=environment, timeout=SLOW_S)
            new.rename(self.folder)
        except OSError as error:
            raise from_os_error(error, _("keep a version of a notebook"), self.folder) from error

    def run(self, *arguments: str, given: bytes | None = None, timeout: float = SLOW_S) -> bytes:
        """Run a git command in the repository."""
        lock = getattr(self._held, "lock", None)
        held = () if lock is None else (lock,)
        try:
            return self._git.run(*arguments, given=given, env=self._env, timeout=timeout, pass_fds=held)
        except GitError as error:
            # One that was stopped after its time has left its own locks: it would take as long again.
            if not held or "status" not in error.details or not remove_left_over(self.folder, _FOREIGN_S):
                raise
            return self._git.run(*arguments, given=given, env=self._env, timeout=timeout, pass_fds=held)

    # -- reading -----------------------------------------------------------------------------------------------

    def refs(self, notebook: str = "") -> list[tuple[str, str, str]]:
        """Return (notebook, version, commit) of each version, oldest first; of one notebook, or of all."""
        if not self.exists:
            return []
        under = f"{_ROOT}/{notebook}" if notebook else _ROOT
        listed = self.run("for-each-ref", "--format=%(refname) %(objectname)", f"{under}/").decode("ascii")
        found = []
        for line in listed.splitlines():
            ref, commit = line.split(" ")
            key, version = ref.removeprefix(f"{_ROOT}/").split("/")
            found.append((key, version, commit))
        return found

    def messages(self, commits: Sequence[str]) -> dict[str, str]:
        """Return the messages of commits by id; what is missing or damaged is left out."""
        if not commits:
            return {}
        listed = "".join(f"{commit}\n" for commit in commits).encode("ascii")
        out = self.run("cat-file", "--batch", given=listed)
        found: dict[str, str] = {}
        at = 0
        while at < len(out):
            end = out.index(b"\n", at)
            header = out[at:end].split(b" ")
            if len(header) != 3:  # "<id> missing"
                at = end + 1
                continue
            size = int(header[2])
            raw = out[end + 1 : end + 1 + size]
            found[header[0].decode()] = raw.partition(b"\n\n")[2].decode("utf-8", "replace")
            at = end + 1 + size + 1
        return found

    def blob(self, name: str) -> bytes:
        """Return the content of a blob."""
        return self.run("cat-file", "blob", name)

    def containing(self, texts: Sequence[str], commits: Sequence[str]) -> set[str]:
        """Return those of the commits whose notebook has one of ``texts`` in it, in any case."""
        patterns = [part for text in texts for part in ("-e", text)]
        found: set[str] = set()
        for start in range(0, len(commits), 500):
            some = commits[start : start + 500]
            done = self._git.result(
                *("grep", "--text", "--ignore-case", "--fixed-strings", "--files-with-matches", "-z"),
                *patterns,
                *some,
                env=self._env,
                timeout=SLOW_S,
                accept=(0, 1),
            )
            found |= {each.split(b":", 1)[0].decode("ascii", "replace") for each in done.stdout.split(b"\0") if each}
        return found

    # -- writing (with the lock held) --------------------------------------------------------------------------

    def write_blob(self, content: bytes) -> str:
        """Store a content and return its name."""
        return self.run("hash-object", "-w", "--stdin", given=content).decode().strip()

    def write_commit(self, file_name: str, blob: str, message: str, at: float) -> str:
        """Store a commit that holds one file; ``at`` in seconds since the epoch. Returns its id."""
        entry = f"100644 blob {blob}\t".encode() + os.fsencode(file_name) + b"\0"
        tree = self.run("mktree", "-z", given=entry).decode().strip()
        who = f"{IDENTITY[0]} <{IDENTITY[1]}> {int(at)} +0000"
        text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{message}"
        return self.run("hash-object", "-w", "-t", "commit", "--stdin", given=text.encode()).decode().strip()

    def update(
        self, notebook: str, *, keep: Sequence[tuple[str, str]] = (), drop: Sequence[str] = (), moved_from: str = ""
    ) -> None:
        """Point versions at commits (``keep``: version, commit) and take others away, all or nothing.

        With ``moved_from`` the dropped versions are those of that notebook.
        """
        lines = [f"update {_ROOT}/{notebook}/{version}\0{commit}\0\0" for version, commit in keep]
        lines += [f"delete {_ROOT}/{moved_from or notebook}/{version}\0\0" for version in drop]
        if lines:
            self.run("update-ref", "-z", "--stdin", given="".join(lines).encode())

    def pack(self) -> None:
        """Pack what lies loose, where that is much. That it fails is logged: what was kept before is kept."""
        if self._loose() <= _PACK_ABOVE:
            return
        try:
            self.run("pack-refs", "--all")
            self.run("repack", "-d", "-q", timeout=_PACK_S)
        except GitError as error:
            _logger.warning("The versions of notebooks in %s could not be packed: %s", self.folder, error)

    def prune(self) -> None:
        """Pack all, and drop what no version holds any more."""
        self.run("pack-refs", "--all")
        # --force: a gc that notes its process here has been killed, whoever has its number now. A graph of commits
        # is for those that have parents.
        settings = ("-c", "gc.reflogExpire=now", "-c", "gc.writeCommitGraph=false")
        self.run(*settings, "gc", "--quiet", "--force", "--prune=now", timeout=_PACK_S)
        for half in (self.folder / "objects" / "pack").glob(".tmp-*"):  # git forgets those of one that was killed
            with contextlib.suppress(OSError):
                if time.time() - half.stat().st_mtime > 2 * _PACK_S:
                    half.unlink()

    def _loose(self) -> int:
        """Return about how many objects lie loose (as git itself does: from one of the 256 folders)."""
        try:
            return 256 * sum(1 for _entry in os.scandir(self.folder / "objects" / "17"))
        except FileNotFoundError:
            return 0


def notebook_key(path: str) -> str:
    """Return the name of a notebook's folder of refs. ``path``: workspace path."""
    return hashlib.blake2b(path.encode(), digest_size=16).hexdigest()


def blob_name(content: bytes) -> str:
    """Return the name that git gives a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def new_version_id(after: str = "") -> str:
    """Return the id of a version made now (UTC, to the microsecond): ids sort by time, even if the clock goes back."""
    now = time.time_ns() // 1000
    if after:
        now = max(now, _microseconds(after) + 1)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now // 1_000_000))}-{now % 1_000_000:06d}"


def _microseconds(version: str) -> int:
    day, clock, fraction = version.split("-")
    return calendar.timegm(time.strptime(day + clock, "%Y%m%d%H%M%S")) * 1_000_000 + int(fraction)
