"""Variables that share objects, in one file that needs nothing beside it: what passes between steps of a pipeline.

A group of the value store (``values``) is several blobs. Here they lie in one ZIP file without compression, the
group's own first, under their digests; reading it puts them into a store of its own for a moment.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..i18n import gettext as _
from .blobs import BlobStore
from .groups import Groups
from .objects import reached_from
from .value_errors import NotKeptError, NotRestoredError
from .values import Kept, keep, restore

_INDEX = "group.json"


def write_group(values: Mapping[str, Any], namespace: dict[str, Any], file: Path) -> Kept:
    """Write variables, with all that they share among each other. Raises as :func:`values.keep`."""
    with tempfile.TemporaryDirectory(prefix="mlops-values-", dir=file.parent) as folder:
        blobs = BlobStore(Path(folder))
        kept = keep(blobs, values, namespace)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:
            out.writestr(_INDEX, json.dumps({"group": kept.digest, "types": kept.types}))
            for digest in dict.fromkeys(kept.blobs):
                out.write(blobs.path(digest), digest)
    return kept


def read_group(file: Path, namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of a file; nothing is bound in ``namespace``. It runs code, as unpickling does.

    Raises :class:`NotRestoredError`.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="mlops-values-") as folder, zipfile.ZipFile(file) as content:
            blobs = BlobStore(Path(folder))
            index = json.loads(content.read(_INDEX))
            for name in content.namelist():
                if name != _INDEX:
                    blobs.put(content.read(name))
            # What is mapped from the folder stays readable when its name is gone.
            return restore(blobs, str(index["group"]), namespace)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise NotRestoredError(_("{file} is damaged: {error}").format(file=file.name, error=error)) from error


def together(names: Iterable[str], namespace: dict[str, Any]) -> list[list[str]]:
    """Return the groups in which variables share objects, each sorted; each may hold further names of the notebook.

    What the record of this kernel knows counts, also what can't be seen of an extension's objects; where nothing is
    recorded, what is reached from the values.
    """
    wanted = [name for name in dict.fromkeys(names) if name in namespace]
    if (found := _recorded(wanted, namespace)) is not None:
        return found
    groups = Groups()
    for name in wanted:
        reached = reached_from(namespace[name], namespace)
        groups.put(name, reached.ids, anything=reached.truncated or reached.unseen)
    return sorted(sorted(group) for group in {groups.of(name) for name in wanted})


def keep_together(names: list[str], namespace: dict[str, Any], file: Path) -> list[str]:
    """Write a group, with other variables whose value turns out to be a part of it; return all its names.

    Raises :class:`NotKeptError`.
    """
    group = list(names)
    while True:
        try:
            write_group({name: namespace[name] for name in group}, namespace, file)
        except NotKeptError as error:
            other = error.shared_with
            if not other or other in group or other not in namespace:
                raise
            group.append(other)
        else:
            return group


def _recorded(wanted: list[str], namespace: dict[str, Any]) -> list[list[str]] | None:
    module = sys.modules.get("jupyter_mlops.cells.recorder")
    recorder = module.active() if module is not None else None
    if recorder is None or recorder.observer.variables.namespace is not namespace:
        return None
    found: list[list[str]] = recorder.observer.variables.partition(set(wanted))
    known = {name for group in found for name in group}
    return found if known.issuperset(wanted) else None
