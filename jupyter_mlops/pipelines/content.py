"""The store of outputs: files under the digest of their content, ``.mlops/artifacts/outputs/<2>/<digest>/<name>``.

A file is written under a temporary name and moved into place, so what has a digest for a name is whole. Equal content
is stored once, however many runs wrote it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError, MlopsError, NotFoundError, StoreError, from_os_error
from ..i18n import gettext as _
from ..workspace import Workspace
from .codecs import Codec, codec_for, codec_named

_FOLDER = "outputs"
_DIGEST_BYTES = 32
_CHUNK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A value in the store."""

    codec: str
    #: Workspace path.
    path: str
    #: BLAKE2b-256 of the file, hexadecimal.
    digest: str
    size: int
    summary: str


def store(workspace: Workspace, name: str, value: Any) -> Stored:
    """Write a value and return where it is. ``name`` is what messages call it.

    Raises :class:`InvalidInputError` for a value that no codec can write, :class:`DiskFullError`.
    """
    codec = codec_for(value)
    root = workspace.artifacts / _FOLDER
    temporary = root / f".{uuid.uuid4().hex}"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _encode(codec, name, value, temporary)
        digest = digest_of(temporary)
        size = temporary.stat().st_size
        file = root / digest[:2] / digest / (codec.file or value.name)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (file.exists() and file.stat().st_size == size):
            temporary.chmod(0o400)  # what a digest names is never changed
            temporary.replace(file)
    except OSError as error:
        raise from_os_error(error, _("write the output '{name}'").format(name=name), root) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return Stored(
        codec=codec.name, path=workspace.relative(file), digest=digest, size=size, summary=codec.summary(value)
    )


def _encode(codec: Codec, name: str, value: Any, file: Path) -> None:
    try:
        codec.write(value, file)
        with file.open("rb") as content:
            os.fsync(content.fileno())
    except (MlopsError, OSError):
        raise
    except Exception as error:  # each library has its own errors for what it can't write
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise InvalidInputError(
            _("The output '{name}' ({kind}) can't be stored.").format(name=name, kind=kind),
            why=f"{type(error).__name__}: {error}"[:1000],
            next=_HINTS.get(codec.name, _("Write it to a file yourself and give the output its pathlib.Path.")),
            details={"output": name, "codec": codec.name},
        ) from error


_HINTS = {
    "pandas": _("Each column must hold one type and have text for a name; convert it with astype(), or drop it."),
    "pickle": _("Open files, connections and generators can't be stored: store what they were made from."),
}


def load(workspace: Workspace, name: str, stored: Stored) -> Any:
    """Read a stored value. Raises :class:`NotFoundError` where the file is gone, :class:`StoreError` if it changed."""
    codec = codec_named(stored.codec)
    file = workspace.resolve(stored.path)
    root = (workspace.artifacts / _FOLDER).resolve()
    if root not in file.parents:
        raise StoreError(_("The content of '{name}' lies outside the workspace's store.").format(name=name))
    try:
        size = file.stat().st_size
        intact = size == stored.size and (not codec.runs_code or digest_of(file) == stored.digest)
    except FileNotFoundError as error:
        raise NotFoundError(
            _("The content of '{name}' is gone.").format(name=name),
            why=_("{path} was deleted.").format(path=stored.path),
            next=_("Run the step that makes it again."),
        ) from error
    if not intact:
        raise StoreError(
            _("The content of '{name}' was changed after it was written.").format(name=name),
            why=_("{path} no longer has the digest that was recorded.").format(path=stored.path),
            next=_("Delete the file and run the step that makes it again."),
        )
    try:
        return codec.read(file)
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            _("'{name}' ({summary}) can't be read in this kernel.").format(name=name, summary=stored.summary),
            why=_("The library {module} is not installed here.").format(module=error.name),
            next=_("Install it, or choose the kernel that the step runs in."),
        ) from error


def digest_of(file: Path) -> str:
    """Return the BLAKE2b-256 of a file, hexadecimal."""
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()
