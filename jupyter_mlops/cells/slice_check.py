"""Testing a slice: it is run alone, in a new kernel and in a copy of the files that it reads, and compared."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import MlopsError
from ..i18n import gettext as _
from ..workspace import CONFIG_NAME, WORKSPACE_VARIABLE, Workspace
from .chronicle import files_written
from .digests import UndigestibleError, digest_of
from .files import FileDigests
from .slice_files import UNTOLD

if TYPE_CHECKING:
    from .slicing import Slice

#: Files above this size in all are not copied, bytes.
COPY_LIMIT = 2 << 30
_PREFIX = "jupyter-mlops slice: "


@dataclass(frozen=True, slots=True)
class SliceCheck:
    """What came of running a slice alone."""

    result: Literal["equal", "differs", "can't be told"]
    #: In words; empty where it is equal.
    why: str = ""


class _CannotTellError(Exception):
    """Why a slice can't be tested; never leaves this module."""


def check_slice(
    found: Slice, workspace: Workspace, *, expected: Mapping[str, str] | None = None, timeout: float | None = 600
) -> SliceCheck:
    """Run a slice alone and compare what it makes, by digest, with what the session had.

    ``expected`` holds digests by name where the record has none. ``timeout``: seconds for one cell. The workspace's
    files stay as they are: the slice runs in a copy of those that it reads.
    """
    wanted = {**found.expected, **(expected or {})}
    try:
        if not wanted:
            raise _CannotTellError(_("the record has no digest of it"))
        with tempfile.TemporaryDirectory(prefix="mlops-slice-") as folder:
            where = _copy(found, workspace, Path(folder).resolve())
            have = _run(found, where, list(wanted), timeout)
    except _CannotTellError as error:
        return SliceCheck("can't be told", str(error))
    except (OSError, MlopsError) as error:
        return SliceCheck("can't be told", _("it could not be run: {error}").format(error=error))
    if "" in have:
        return SliceCheck("differs", have[""])
    differing = sorted(name for name, digest in wanted.items() if have.get(name) != digest)
    if not differing:
        return SliceCheck("equal")
    why = _("{names} came out otherwise").format(names=", ".join(differing[:5]))
    return SliceCheck("differs", " ".join([f"{why}.", *found.doubts]) if found.doubts else why)


def _copy(found: Slice, workspace: Workspace, to: Path) -> Path:
    """Copy what the slice reads into a folder; return where its kernel is to run."""
    root = workspace.root
    if any(str(root) in each["source"] for each in found.executions):
        raise _CannotTellError(_("it names the workspace's folder, so it would write into it"))
    outside = [path for each in found.executions for path in files_written(each) if Path(path).is_absolute()]
    if outside:
        raise _CannotTellError(_("it writes outside the workspace: {path}").format(path=outside[0]))
    digests, size = FileDigests(), 0
    shutil.copyfile(root / CONFIG_NAME, to / CONFIG_NAME)
    modules = {path: found.modules[module] for path, module in found.module_files.items()}
    for path, digest in {**found.outside_files, **modules}.items():
        source = root / path
        if digest not in UNTOLD and digests.of(str(source)) != digest:
            raise _CannotTellError(_("the file {path} is not what it read").format(path=path))
        if Path(path).is_absolute() or not source.is_file():
            continue
        size += source.stat().st_size
        if size > COPY_LIMIT:
            raise _CannotTellError(_("it reads more than {limit} GB of files").format(limit=COPY_LIMIT >> 30))
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to / path)
    notebook = next((each.get("notebook", "") for each in found.executions), "")
    where = (to / notebook).parent if notebook else to
    where.mkdir(parents=True, exist_ok=True)
    return where


def _run(found: Slice, where: Path, names: list[str], timeout: float | None) -> dict[str, str]:
    """Run it in a kernel; return the digests, or under an empty name why it failed."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat import v4

    notebook = found.notebook()
    asking = f"__import__({__name__!r}, fromlist=['_']).show_digests(get_ipython().user_ns, {names!r})"
    notebook.cells.append(v4.new_code_cell(asking))
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(where)}}
    )
    failed: dict[str, str] = {}

    def run() -> None:
        try:
            client.execute(env={**os.environ, WORKSPACE_VARIABLE: str(_workspace_of(where))})
        except CellExecutionError as error:
            failed[""] = _("run alone, it fails: {error}").format(error=f"{error.ename}: {error.evalue}"[:500])
        except (CellTimeoutError, DeadKernelError, RuntimeError) as error:
            failed[""] = _("run alone, it does not end: {error}").format(error=str(error)[:500])

    # This one may have an event loop that runs, in a kernel; and no process waits for it at its end.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    return failed or _answer(notebook.cells[-1])


def _workspace_of(where: Path) -> Path:
    return next(each for each in (where, *where.parents) if (each / CONFIG_NAME).is_file())


def _answer(cell: Any) -> dict[str, str]:
    text = "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")
    line = next((line for line in text.splitlines() if line.startswith(_PREFIX)), "")
    if not line:
        raise _CannotTellError(_("its kernel gave no answer"))
    found = json.loads(line.removeprefix(_PREFIX))
    return {str(name): str(digest) for name, digest in found.items()}


def show_digests(namespace: dict[str, Any], names: list[str]) -> None:
    """Print the digests of variables, and of files (``file:<path>``): what the last cell of a test does."""
    sys.stdout.write("\n" + _PREFIX + json.dumps({name: digest_in(namespace, name) for name in names}) + "\n")


def digest_in(namespace: dict[str, Any], name: str) -> str:
    """Return the digest of a variable, or of a file of the workspace (``file:<path>``); empty where it has none."""
    if name.startswith("file:"):
        root = Path(os.environ[WORKSPACE_VARIABLE])
        return FileDigests().of(str(root / name.removeprefix("file:")))
    try:
        return digest_of(namespace[name], namespace) if name in namespace else ""
    except UndigestibleError:
        return ""
