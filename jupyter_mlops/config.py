"""``mlops.toml``: the workspace's settings, in git, without secrets.

Every key has a default, so an empty file is valid. A value that must stay out of git is written ``"env:NAME"`` and
read from the environment variable ``NAME`` when it is used.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ConfigError, InvalidInputError, from_os_error
from .i18n import gettext as _


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def resolve_secret(value: str) -> str:
    """Return ``value``, or the environment's value where it is written ``env:NAME``."""
    if not value.startswith("env:"):
        return value
    name = value[4:]
    found = os.environ.get(name)
    if found is None:
        raise InvalidInputError(
            _("The environment variable {name} is not set.").format(name=name),
            why=_("mlops.toml takes a value from it."),
            next=_("Set {name} before starting Jupyter and the worker.").format(name=name),
        )
    return found


class WorkspaceSection(_Section):
    """``[workspace]``"""

    name: str = Field("", max_length=200, description="Name shown in JupyterLab; empty: the folder's name.")


class StoreSection(_Section):
    """``[store]``"""

    url: str = Field(
        "",
        description="Database of the workspace. Empty: embedded SQLite. A team shares PostgreSQL: "
        "`postgresql+psycopg://user@host/name`, or `env:NAME` to keep it out of git.",
    )

    def resolved_url(self) -> str:
        """The URL with its secret filled in; empty for the embedded database."""
        return resolve_secret(self.url) if self.url else ""


class TrackingSection(_Section):
    """``[tracking]``"""

    uri: str = Field(
        "",
        description="MLflow tracking server. Empty: the embedded store in `.mlops/`; else `http://…` or `env:NAME`.",
    )
    experiment: str = Field("", description="Experiment of runs that name none; empty: the workspace's name.")

    def resolved_uri(self) -> str:
        """The URI with its secret filled in; empty for the embedded store."""
        return resolve_secret(self.uri) if self.uri else ""


class VersioningSection(_Section):
    """``[versioning]``"""

    snapshots: bool = Field(True, description="Keep a git snapshot of the workspace for every tracked run.")
    max_file_mb: float = Field(10.0, gt=0, description="Files larger than this many MB stay out of snapshots.")
    notebooks: bool = Field(True, description="Keep a version of each notebook when it is saved and when cells ran.")
    notebook_max_mb: float = Field(50.0, gt=0, description="No versions of notebooks larger than this many MB.")
    execution_interval_s: float = Field(
        10.0,
        ge=0,
        description="While cells run, at most one version of a notebook in this many seconds; the last stays.",
    )
    keep_all_hours: float = Field(24.0, ge=0, description="Every version of a notebook is kept for this many hours.")
    keep_hourly_days: float = Field(
        30.0, ge=0, description="Then one for each hour, for this many days; after that one for each day."
    )


class EngineSection(_Section):
    """``[engine]``"""

    parallel_steps: int = Field(2, ge=1, le=256, description="Notebook steps that run at the same time.")
    attempts: int = Field(
        2,
        ge=1,
        le=20,
        description="Tries of a step whose kernel or process died. A failing cell is not tried again.",
    )
    step_timeout_minutes: float = Field(0.0, ge=0, description="Longest time of one step; 0: no limit.")
    warm_kernels: bool = Field(
        True, description="Fork the kernels of steps off a process that has their imports loaded already."
    )
    warm_imports: list[str] = Field(
        ["numpy", "pandas"],
        description="Modules that warm kernels have loaded besides those that the notebook's code imports.",
    )
    warm_templates: int = Field(
        3, ge=1, le=64, description="Processes kept to fork kernels from, one for each different list of imports."
    )
    warm_minutes: float = Field(10.0, gt=0, description="Such a process ends when no step has used it for this long.")
    idle_minutes: float = Field(
        30.0, ge=0, description="The worker ends after this long with no work and no endpoint; 0: never."
    )


class CellsSection(_Section):
    """``[cells]``"""

    record: bool = Field(True, description="Record each execution of a cell: what it read, wrote and used.")
    every_kernel: bool = Field(
        False,
        description="Record in every Python kernel that Jupyter starts here, also without %load_ext jupyter_mlops.",
    )
    time_travel: bool = Field(
        True, description="Keep the variables after each execution, so that %undo and %goto can put them back."
    )
    time_travel_gb: float = Field(
        5.0, gt=0, description="Of these, what was used longest ago goes when it is more than this many GB."
    )
    cache: bool = Field(
        True, description="Steps take the results of cells that have run before on the same inputs, and keep their own."
    )
    cache_gb: float = Field(
        10.0, gt=0, description="Of what steps keep, what was used longest ago goes when it is more than this many GB."
    )


class ServingSection(_Section):
    """``[serving]``"""

    host: str = Field("127.0.0.1", description="Address that model servers listen on.")
    port: int = Field(0, ge=0, le=65535, description="First port tried for endpoints; 0: any free port, then kept.")
    request_log: bool = Field(True, description="Write each request and answer to the endpoint's request log.")


class Config(_Section):
    """All of ``mlops.toml``."""

    workspace: WorkspaceSection = WorkspaceSection()
    store: StoreSection = StoreSection()
    tracking: TrackingSection = TrackingSection()
    versioning: VersioningSection = VersioningSection()
    engine: EngineSection = EngineSection()
    cells: CellsSection = CellsSection()
    serving: ServingSection = ServingSection()


def load_config(file: Path) -> Config:
    """Read and check ``mlops.toml``.

    Raises :class:`ConfigError` naming line and column (1-based) of the first thing wrong.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise from_os_error(error, _("read {file}").format(file=file), file) from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise _config_error(file, line, column, _("The file is not UTF-8 text.")) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, column = _position_of(error, text)
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise _config_error(file, line, column, message) from error
    return parse_config(data, text, file)


def parse_config(data: dict[str, Any], text: str, file: Path) -> Config:
    """Check parsed TOML against the settings that exist; ``text`` is used to find line and column of what is wrong."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        location = [str(part) for part in first["loc"]]
        line, column = _find_key(text, location)
        key = ".".join(location)
        if first["type"] == "extra_forbidden":
            known = _known_keys(location[:-1])
            message = _("There is no setting '{key}'. Known here: {known}.").format(key=key, known=", ".join(known))
        else:
            message = f"{key}: {first['msg']}."
        raise _config_error(file, line, column, message) from error


def default_config_text(name: str) -> str:
    """Return the text of a new ``mlops.toml``: every setting with its meaning, commented out at its default."""
    lines = [
        "# Settings of this workspace. Lines that start with # show the defaults.",
        '# Keep secrets out: write "env:NAME" to take a value from an environment variable.',
        "",
    ]
    for section, field in Config.model_fields.items():
        model = field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)  # noqa: S101
        lines.append(f"[{section}]")
        for key, setting in model.model_fields.items():
            lines.append(f"# {setting.description}")
            if (section, key) == ("workspace", "name"):
                lines.append(f"name = {_toml_value(name)}")
            else:
                lines.append(f"# {key} = {_toml_value(setting.default)}")
        lines.append("")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def _known_keys(location: list[str]) -> list[str]:
    model: Any = Config
    for part in location:
        model = model.model_fields[part].annotation
    return list(model.model_fields)


def _position_of(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, int]:
    found = re.search(r"at line (\d+), column (\d+)", str(error))
    if found:
        return int(found[1]), int(found[2])
    lines = text.split("\n")  # "at end of document"
    return len(lines), len(lines[-1]) + 1


def _find_key(text: str, location: list[str]) -> tuple[int, int]:
    """Find line and column of the setting ``section.key``; where it does not stand, the section's, else the first."""
    section, best = "", (1, 1)
    for number, line in enumerate(text.split("\n"), start=1):
        header = re.match(r"\s*\[\s*([^\]]+?)\s*\]", line)
        if header:
            section = header[1].strip("\"'")
            if section == location[0]:
                best = (number, line.index("[") + 1)
            continue
        entry = re.match(r"\s*([\w\"'.-]+)\s*=", line)
        if entry and [*([section] if section else []), *re.sub("[\"']", "", entry[1]).split(".")] == location[:2]:
            return number, entry.start(1) + 1
    return best


def _config_error(file: Path, line: int, column: int, why: str) -> ConfigError:
    return ConfigError(
        _("{file}, line {line}, column {column}: this can't be read.").format(file=file.name, line=line, column=column),
        why=why,
        next=_("Correct the line; `mlops doctor` checks the file."),
        details={"file": file.name, "line": line, "column": column},
    )
