"""A workspace: a project folder with an ``mlops.toml``; its embedded state lives in ``.mlops/``, which git ignores.

Nothing that is stored holds an absolute path, so a workspace can be moved or copied at will.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConflictError, InvalidInputError, NotAWorkspaceError, PathError, from_os_error
from .i18n import gettext as _

if TYPE_CHECKING:
    from .config import Config

CONFIG_NAME = "mlops.toml"
STATE_NAME = ".mlops"
#: Set for kernels and processes that work for a workspace, wherever their working directory is.
WORKSPACE_VARIABLE = "MLOPS_WORKSPACE"


class Workspace:
    """The ground under every service: where files are, what is configured.

    Construct it with :meth:`find` (upwards from a folder) or :meth:`init` (makes one).
    """

    def __init__(self, root: Path | str):
        self.root = Path(root).resolve()

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    # -- finding and making ------------------------------------------------------------------------------------

    @classmethod
    def locate(cls, start: Path | str | None = None) -> Workspace | None:
        """Return the workspace of ``start`` (default: ``$MLOPS_WORKSPACE``, else the working directory), or None.

        Searches ``start`` and the folders above it for an ``mlops.toml``.
        """
        if start is None:
            from_environment = os.environ.get(WORKSPACE_VARIABLE)
            if from_environment:
                return cls(from_environment) if (Path(from_environment) / CONFIG_NAME).is_file() else None
            start = Path.cwd()
        folder = Path(start).resolve()
        if folder.is_file():
            folder = folder.parent
        for candidate in (folder, *folder.parents):
            if (candidate / CONFIG_NAME).is_file():
                return cls(candidate)
        return None

    @classmethod
    def find(cls, start: Path | str | None = None) -> Workspace:
        """Like :meth:`locate`, but raise :class:`NotAWorkspaceError` where there is none."""
        found = cls.locate(start)
        if found is None:
            where = os.environ.get(WORKSPACE_VARIABLE) if start is None else None
            raise NotAWorkspaceError(
                _("{folder} is not in a workspace.").format(folder=where or Path(start or Path.cwd()).resolve()),
                why=_("No mlops.toml in this folder or any folder above it."),
                next=_(
                    "Run `mlops init` in your project's folder, or 'Make this folder a workspace' in the MLOps panel."
                ),
            )
        return found

    @classmethod
    def init(cls, folder: Path | str, *, name: str | None = None) -> Workspace:
        """Make ``folder`` a workspace: write ``mlops.toml``, ``.mlops/`` and git's ignore line. What exists is kept.

        Raises :class:`ConflictError` where it is one already, :class:`ReadOnlyError` or :class:`DiskFullError` where
        nothing can be written (nothing half-made stays behind).
        """
        from .config import default_config_text

        root = Path(folder).resolve()
        config_file = root / CONFIG_NAME
        if config_file.exists():
            raise ConflictError(
                _("{folder} is a workspace already.").format(folder=root),
                next=_("Open it; its settings are in {file}.").format(file=CONFIG_NAME),
            )
        workspace_name = (name or root.name or "workspace").strip()
        if not workspace_name or any(ord(c) < 32 for c in workspace_name) or len(workspace_name) > 200:
            raise InvalidInputError(_("A workspace's name is 1 to 200 printable characters."))
        made_state = not (root / STATE_NAME).exists()
        try:
            root.mkdir(parents=True, exist_ok=True)
            workspace = cls(root)
            workspace.ensure_state()
            workspace._ignore_state_in_git()
            temporary = config_file.with_name(CONFIG_NAME + ".new")
            temporary.write_text(default_config_text(workspace_name), encoding="utf-8")
            temporary.replace(config_file)  # last: a folder counts as a workspace only when all of it is there
        except OSError as error:
            (root / (CONFIG_NAME + ".new")).unlink(missing_ok=True)
            if made_state and (root / STATE_NAME).is_dir() and not any((root / STATE_NAME).iterdir()):
                (root / STATE_NAME).rmdir()
            raise from_os_error(error, _("make {folder} a workspace").format(folder=root), root) from error
        return workspace

    def ensure_state(self) -> Path:
        """Make ``.mlops/`` (mode 0700: logs and data of the project) and return it."""
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error, _("make the folder {path}").format(path=self.state), self.state) from error
        return self.state

    def _ignore_state_in_git(self) -> None:
        ignore = self.root / ".gitignore"
        text = ignore.read_text(encoding="utf-8") if ignore.exists() else ""
        if not re.search(r"^/?\.mlops/?\s*$", text, flags=re.MULTILINE):
            separator = "" if not text or text.endswith("\n") else "\n"
            with ignore.open("a", encoding="utf-8") as out:
                out.write(f"{separator}.mlops/\n")

    # -- what is configured ------------------------------------------------------------------------------------

    @cached_property
    def config(self) -> Config:
        """What ``mlops.toml`` says; raises :class:`ConfigError` with line and column where it is wrong."""
        from .config import load_config  # Pydantic: not for those who only look for the workspace

        return load_config(self.root / CONFIG_NAME)

    @property
    def name(self) -> str:
        """The workspace's name: from ``mlops.toml``, else the folder's."""
        return self.config.workspace.name or self.root.name

    # -- where things are --------------------------------------------------------------------------------------

    @property
    def state(self) -> Path:
        """``.mlops/``: databases, artifacts, logs, sockets. Not in git."""
        return self.root / STATE_NAME

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the workspace's database."""
        return self.config.store.resolved_url() or sqlite_url(self.state / "mlops.db")

    @property
    def engine_database_url(self) -> str:
        """SQLAlchemy URL of the durable workflows' database (the same server on PostgreSQL)."""
        return self.config.store.resolved_url() or sqlite_url(self.state / "engine.db")

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI: ``mlops:///…`` (the embedded store) or what ``mlops.toml`` names."""
        return self.config.tracking.resolved_uri() or f"mlops://{self.root.as_posix()}"

    @property
    def artifacts(self) -> Path:
        """Root of the embedded artifact store."""
        return self.state / "artifacts"

    @property
    def logs(self) -> Path:
        """Log files of the worker, notebook processes and model servers."""
        return self.state / "logs"

    def resolve(self, path: str | os.PathLike[str]) -> Path:
        """Return the absolute path of a workspace path; raise :class:`PathError` if it leaves the workspace.

        Symbolic links are followed before the check.
        """
        text = os.fspath(path)
        if "\0" in text:
            raise PathError(_("A path can't contain a NUL character."))
        candidate = (self.root / text).resolve()
        if candidate != self.root and self.root not in candidate.parents:
            raise PathError(
                _("{path} leaves the workspace.").format(path=text),
                why=_("Paths are relative to the workspace's folder and stay in it."),
                next=_("Move the file into the workspace, or name it by a connection."),
                details={"path": text},
            )
        return candidate

    def relative(self, path: str | os.PathLike[str]) -> str:
        """Return ``path`` as stored: relative to the root, with forward slashes."""
        return self.resolve(path).relative_to(self.root).as_posix()


def sqlite_url(file: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file, whatever characters its path has.

    SQLAlchemy 2.1 percent-decodes the path of a URL (2.0 does not): a folder called ``50%40`` needs its help.
    """
    from sqlalchemy.engine import URL  # not for those who only look for the workspace

    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)
