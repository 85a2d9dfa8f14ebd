"""Testing a slice: it is run alone, in a new kernel and in a copy of the files that it reads, and compared."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

from ..errors import MlopsError
from ..i18n import gettext as _
from ..isolation import isolated_environment, isolated_settings
from ..workspace import CONFIG_NAME, WORKSPACE_VARIABLE, Workspace
from .chronicle import files_written
from .digests import UndigestibleError, digest_of
from .file_digests import FileDigests, question
from .slice_files import UNTOLD

if TYPE_CHECKING:
    from .slicing import Slice

#: Files above this size in all are not copied, bytes.
COPY_LIMIT = 2 << 30
#: For a kernel to be gone when the person who waits interrupts, seconds.
_END_S = 10.0
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
    (to / CONFIG_NAME).write_text(isolated_settings(workspace), encoding="utf-8")
    modules = {path: found.modules[module] for path, module in found.module_files.items()}
    for path, digest in {**found.outside_files, **modules}.items():
        source = root / path
        if ".." in PurePath(path).parts:  # the recorder writes none: it would be copied to where it leads
            raise _CannotTellError(_("it reads a file outside the workspace: {path}").format(path=path))
        if path == CONFIG_NAME:  # the copy has its own
            continue
        if digest not in UNTOLD and digests.of(question(str(source), digest)) != digest:
            raise _CannotTellError(_("the file {path} is not what it read").format(path=path))
        if Path(path).is_absolute() or not source.is_file():
            continue
        size += source.stat().st_size
        if size > COPY_LIMIT:
            raise _CannotTellError(_("it reads more than {limit} GB of files").format(limit=COPY_LIMIT >> 30))
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to / path)
    notebook = next((each.get("notebook", "") for each in found.executions), "")
    where = (to / notebook).parent if notebook and ".." not in PurePath(notebook).parts else to
    if to not in (where, *where.parents):
        where = to
    where.mkdir(parents=True, exist_ok=True)
    return where


def _run(found: Slice, where: Path, names: list[str], timeout: float | None) -> dict[str, str]:
    """Run it in a kernel; return the digests, or under an empty name why it failed."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat import v4

    from ..engine.starting_client import StartingClient

    notebook = found.notebook()
    asking = f"__import__({__name__!r}, fromlist=['_']).show_digests(get_ipython().user_ns, {names!r})"
    notebook.cells.append(v4.new_code_cell(asking))
    stopped = threading.Event()

    class Client(StartingClient):
        def may_start_again(self) -> bool:
            return not stopped.is_set()

    client = Client(notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(where)}})
    failed: dict[str, str] = {}
    ended = threading.Event()

    def run() -> None:
        try:
            client.execute(env=isolated_environment(Workspace(_workspace_of(where))))
        except CellExecutionError as error:
            failed[""] = _("run alone, it fails: {error}").format(error=f"{error.ename}: {error.evalue}"[:500])
        except (CellTimeoutError, DeadKernelError, RuntimeError) as error:
            failed[""] = _("run alone, it does not end: {error}").format(error=str(error)[:500])
        finally:
            ended.set()

    # This one may have an event loop that runs, in a kernel; and no process waits for it at its end.
    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
        while not ended.wait(0.5):  # the system may give an interrupt to another thread, which does not wake this one
            pass
    finally:
        if not ended.is_set():  # interrupted: its kernel is to go at once, and with it what it started
            stopped.set()
            _end(client, ended)
    return failed or _answer(notebook.cells[-1])


def _end(client: Any, ended: threading.Event) -> None:
    """End the kernel of a client that another thread uses, also one that is just being started."""
    from ..engine.kernel_control import signal_group
    from ..engine.kernel_start import process_of

    until = time.monotonic() + _END_S
    while not ended.wait(0.05) and time.monotonic() < until:
        manager = client.km
        process = process_of(manager) if manager is not None and manager.provisioner is not None else None
        if process is not None and process.poll() is None:
            signal_group(process.pid, signal.SIGKILL)
    atexit.unregister(client._cleanup_kernel)  # nothing is left to clean up, which it would complain of


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
