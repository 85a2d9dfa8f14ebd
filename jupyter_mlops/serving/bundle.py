"""A bundle: the folder that holds everything a model server needs to answer, and nothing else is read by it.

.mlops/serving/<endpoint>/<deployment>/
    bundle.json     what is served (this module)
    model/          the model's files, as MLflow wrote them
    server.lock     held by the model server while it lives; says its state
    server.log      what it printed
.mlops/serving/<endpoint>/requests/     the endpoint's request log
.mlops/requests-logged                  changes when any endpoint's request log grows
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ServingError, from_os_error
from ..i18n import gettext as _
from ..registry.types import TensorSpec
from ..workspace import Workspace

BUNDLE_NAME = "bundle.json"
REQUESTS_LOGGED_NAME = "requests-logged"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """What ``bundle.json`` says. ``folder`` is where it was read from and is not stored."""

    endpoint: str
    deployment_id: str
    model: str
    version: str
    run_id: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    flavors: tuple[str, ...] = ()
    #: A request body that works, or {}.
    example: dict[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def model_folder(self) -> Path:
        """The model's files."""
        return self.folder / "model"

    @property
    def lock(self) -> Path:
        """Lock file of the model server."""
        return self.folder / "server.lock"

    @property
    def log(self) -> Path:
        """What the model server printed."""
        return self.folder / "server.log"

    @property
    def requests(self) -> Path:
        """The endpoint's request log."""
        # Not folder.parent: the model server's folder is ".", so that it follows a workspace that is moved.
        return self.folder / os.pardir / "requests"

    @property
    def requests_logged(self) -> Path:
        """A file of the workspace that changes when requests were logged, for those who watch its folder."""
        return self.folder / os.pardir / os.pardir / os.pardir / REQUESTS_LOGGED_NAME


def serving_folder(workspace: Workspace, endpoint: str = "") -> Path:
    """Return the folder of an endpoint, or the one of all endpoints."""
    folder = workspace.state / "serving"
    return folder / endpoint if endpoint else folder


def requests_folder(workspace: Workspace, endpoint: str) -> Path:
    """Return the folder of an endpoint's request log."""
    return serving_folder(workspace, endpoint) / "requests"


def write_bundle(bundle: Bundle) -> None:
    """Write ``bundle.json``; it appears whole or not at all."""
    document = asdict(bundle)
    del document["folder"]
    for specs in ("inputs", "outputs"):
        document[specs] = [spec.model_dump() for spec in getattr(bundle, specs)]
    document["format"] = FORMAT
    target = bundle.folder / BUNDLE_NAME
    temporary = target.with_name(f"{BUNDLE_NAME}.{os.getpid()}.new")
    try:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise from_os_error(error, _("write {file}").format(file=target), target) from error


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle. Raises :class:`ServingError` where it is missing or damaged."""
    try:
        document = json.loads((folder / BUNDLE_NAME).read_text(encoding="utf-8"))
        document.pop("format")
        for specs in ("inputs", "outputs"):
            document[specs] = tuple(TensorSpec(**spec) for spec in document[specs])
        document["flavors"] = tuple(document["flavors"])
        return Bundle(**document, folder=folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServingError(
            _("The bundle {folder} can't be read.").format(folder=folder.name),
            why=str(error),
            next=_("Deploy the model version again."),
        ) from error


def has_bundle(folder: Path) -> bool:
    """Whether the folder holds a finished bundle (``bundle.json`` is written last)."""
    return (folder / BUNDLE_NAME).is_file()


def example_of(model_folder: Path) -> dict[str, Any]:
    """Return the request body that MLflow made of the model's input example, or {}.

    MLflow writes a missing number as NaN, which is no JSON; every client of ours and of others can send null.
    """
    file = model_folder / "serving_input_example.json"
    try:
        body = json.loads(file.read_text(encoding="utf-8"), parse_constant=lambda _name: None)
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def remove_model_files(folder: Path) -> None:
    """Delete a stopped deployment's copy of the model; its ``bundle.json`` and log stay for the record."""
    shutil.rmtree(folder / "model", ignore_errors=True)
