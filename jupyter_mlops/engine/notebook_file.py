"""Reading and writing notebook files: clear errors for what is none, and whole files only."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import NotebookError, from_os_error
from ..i18n import gettext as _
from .attempt import write_whole

#: Optional imports of papermill (remote stores) and of nbformat's schema checker (formats that no notebook has). The
#: grammar of internationalised URLs alone takes 1.3 s.
_UNNEEDED = ("rfc3987_syntax", "isoduration", "pyarrow", "boto3", "azure", "gcsfs", "github")


def without_unneeded_imports() -> None:
    """Make optional packages unimportable that papermill and nbformat would load for nothing.

    For the notebook process only, where nothing else runs; the kernel is another process.
    """
    for name in _UNNEEDED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def read_json(file: Path, name: str) -> dict[str, Any]:
    """Return the JSON object of a notebook file. ``name`` is what messages call it. Raises :class:`NotebookError`."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise from_os_error(error, _("read the notebook {name}").format(name=name), name) from error
    try:
        found = json.loads(raw)
    except UnicodeDecodeError as error:
        raise _unreadable(name, _("It is not UTF-8 text.")) from error
    except json.JSONDecodeError as error:
        where = _("It is not JSON: {message} in line {line}, column {column}.").format(
            message=error.msg, line=error.lineno, column=error.colno
        )
        raise _unreadable(name, where, line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise _unreadable(name, _("It is nested too deeply.")) from error
    if not isinstance(found, dict) or not isinstance(found.get("nbformat"), int):
        raise _unreadable(name, _("It is JSON, but not a notebook: it has no 'nbformat' number."))
    if found["nbformat"] >= 4 and not isinstance(found.get("cells"), list):
        raise _unreadable(name, _("It is JSON, but not a notebook: it has no list of 'cells'."))
    return found


def read_notebook(file: Path, name: str) -> Any:
    """Return a notebook as an nbformat node of version 4, with cell ids. Raises :class:`NotebookError`."""
    content = read_json(file, name)
    import nbformat

    try:
        node = nbformat.reads(json.dumps(content), as_version=4)
        return nbformat.v4.upgrade(node) or node
    except Exception as error:  # nbformat raises whatever the wrong shape leads to: KeyError, AttributeError, …
        raise _unreadable(name, f"{type(error).__name__}: {error}"[:500]) from error


def write_notebook(
    node: Any, path: str | Path, *, draft: bool = False, announce: Callable[[bytes], None] | None = None
) -> None:
    """Write a notebook whole. Validation is left out: what a kernel sent is kept as it came.

    A ``draft`` is soon written again: it has no line breaks for git, which take most of the time. ``announce`` gets
    what is written before it is.
    """
    if draft:
        text = json.dumps(node, ensure_ascii=False) + "\n"
    else:
        from nbformat.v4 import writes

        text = writes(node) + "\n"
    if announce is not None:
        announce(text.encode("utf-8", "surrogatepass"))
    write_whole(Path(path), text)


def _unreadable(name: str, why: str, **details: Any) -> NotebookError:
    return NotebookError(
        _("{name} can't be read as a notebook.").format(name=name),
        why=why,
        next=_("Open the file in JupyterLab and save it again, or take an earlier version from git."),
        details={"notebook": name, **details},
    )
