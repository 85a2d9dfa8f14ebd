"""The files of a model version: its ``MLmodel`` description, and all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, PathError, from_os_error
from ..i18n import gettext as _
from .client import in_words
from .signature import specs_of
from .types import TensorSpec


@dataclass(frozen=True, slots=True)
class Description:
    """What the ``MLmodel`` file says."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    flavors: tuple[str, ...]


# A version's files never change, so a description read once stays true.
@lru_cache(maxsize=1024)
def describe(location: str, tracking_uri: str) -> Description:
    """Read the description of the model at ``location`` (an artifact URI)."""
    from mlflow.models import Model

    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        _fetch(location, tracking_uri, "MLmodel", Path(folder))
        model = Model.load(str(Path(folder) / "MLmodel"))
    signature = model.signature
    return Description(
        inputs=tuple(specs_of(signature.inputs if signature else None, "input")),
        outputs=tuple(specs_of(signature.outputs if signature else None, "output")),
        flavors=tuple(sorted(model.flavors)),
    )


def fetch_all(location: str, tracking_uri: str, to: Path) -> None:
    """Copy the model's files into the empty or missing folder ``to``."""
    try:
        to.mkdir(parents=True, exist_ok=True)
        _fetch(location, tracking_uri, "", to)
    except OSError as error:
        raise from_os_error(error, _("copy the model's files to {folder}").format(folder=to), to) from error


def _fetch(location: str, tracking_uri: str, path: str, to: Path) -> None:
    """Copy the file ``path``, or all files where it is empty.

    Not by MLflow's own ``download_artifacts``: that paints progress bars into notebooks and logs.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    missing = _("The model's files are gone: {where}").format(where=location)
    with in_words(_("read the model's files"), missing=missing):
        repository = get_artifact_repository(location, tracking_uri=tracking_uri, registry_uri=tracking_uri)
        names = [path] if path else list(_walk(repository, None))
        if not names:
            raise NotFoundError(missing)
        for name in names:
            target = to / name
            if to.resolve() not in target.resolve().parents:
                raise PathError(_("The model has a file outside its folder: {name}").format(name=name))
            target.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda name: repository._download_file(name, str(to / name)), names))


def _walk(repository: Any, folder: str | None) -> Iterator[str]:
    for item in repository.list_artifacts(folder):
        if item.is_dir:
            yield from _walk(repository, item.path)
        else:
            yield item.path
