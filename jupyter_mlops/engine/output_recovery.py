"""Making an executed notebook whole again from the journal that a killed execution left (:mod:`.output_journal`)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import journal
from ..errors import ConflictError, NotebookError, from_os_error
from ..i18n import gettext as _
from .notebook_file import write_notebook
from .notebook_outputs import CellOutputs
from .output_journal import journal_path

#: A process that was just killed lets go of its files within milliseconds; under load, a little later.
_RELEASE_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery found."""

    notebook: Path
    #: Cells that had ended, in order.
    ended: list[int]
    #: The cell that was running, with what it had put out.
    running: int | None


def recover(output: Path) -> Recovered | None:
    """Write the executed notebook ``output`` as it was when its execution was killed; None where nothing is left.

    Afterwards the journal is gone. Raises :class:`ConflictError` while the execution still runs,
    :class:`NotebookError` where the journal is damaged beyond use, :class:`MlopsError` where a file can't be used.
    """
    path = journal_path(output)
    with _locked(path) as there:
        if not there:
            return None
        replay = Replay(output.name)
        for record in journal.read(path).records:
            replay.take(record)
        node = replay.finish()
        try:
            write_notebook(node, output)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error, _("write the recovered notebook"), output) from error
    return Recovered(output, replay.ended, replay.running)


def left_over(folder: Path) -> list[Path]:
    """Return the notebooks below ``folder`` (or the notebook it is) whose execution left a journal."""
    if not folder.is_dir():
        return [folder] if journal_path(folder).exists() else []
    found = sorted(folder.rglob(".*.journal"))
    return [path.with_name(path.name[1:].removesuffix(".journal")) for path in found]


class Replay:
    """Builds the notebook from the records of a journal, one after the other."""

    def __init__(self, name: str):
        self._name = name
        self._node: Any = None
        self._outputs: CellOutputs | None = None
        self.ended: list[int] = []
        self.running: int | None = None

    def take(self, record: dict[str, Any]) -> None:
        """Do once more what a record tells."""
        kind = record["t"]
        if kind == "python":  # JSON with what Python's reader knows besides: NaN
            self.take(json.loads(record["json"]))
            return
        if kind == "notebook":
            self._begin(record["nb"])
            return
        if self._node is None:
            raise self._no_beginning()
        cell = self._node.cells[record["i"]]
        getattr(self, f"_{kind}")(cell, record)

    def finish(self) -> Any:
        """Return the notebook; the cell that was running is marked as failed, and says why."""
        from nbformat.v4 import new_output

        if self._node is None:
            raise self._no_beginning()
        self._put_text()
        if self.running is not None:
            cell = self._node.cells[self.running]
            said = _("The process that ran this notebook was killed while this cell was running.")
            cell.outputs.append(new_output("error", ename="Killed", evalue=said, traceback=[f"Killed: {said}"]))
            cell.metadata.setdefault("papermill", {}).update(status="failed", exception=True)
            self._node.metadata.setdefault("papermill", {})["exception"] = True
        return self._node

    def _no_beginning(self) -> NotebookError:
        return NotebookError(
            _("{notebook} can't be recovered.").format(notebook=self._name),
            why=_("The beginning of its journal is damaged."),
            next=_("The notebook is as it was last written. Delete the journal {path}.").format(
                path=journal_path(Path(self._name))
            ),
        )

    def _begin(self, content: dict[str, Any]) -> None:
        from nbformat import from_dict

        self._node = from_dict(content)
        self._outputs, self.ended, self.running = None, [], None
        for index, cell in enumerate(self._node.cells):
            status = cell.metadata.get("papermill", {}).get("status")
            if cell.cell_type == "code" and status in ("completed", "failed"):
                self.ended.append(index)
            elif cell.cell_type == "code" and status == "running":
                self.running = index

    # -- one method for each kind of record ----------------------------------------------------------------------

    def _start(self, cell: Any, record: dict[str, Any]) -> None:
        self._put_text()
        self._outputs = None
        self.running = record["i"] if cell.cell_type == "code" else None
        if cell.cell_type == "code":
            cell.outputs = []
        self._set(cell, record)

    def _output(self, cell: Any, record: dict[str, Any]) -> None:
        from nbformat import from_dict

        if self._outputs is None or not cell.outputs:
            self._outputs = CellOutputs(cell.outputs)
        self._outputs.add(from_dict(record["output"]))

    def _left_out(self, cell: Any, record: dict[str, Any]) -> None:
        if self._outputs is None or not cell.outputs:
            self._outputs = CellOutputs(cell.outputs)
        self._outputs.leave_out(record["size"])

    def _resume(self, cell: Any, record: dict[str, Any]) -> None:
        self._outputs = CellOutputs(cell.outputs)
        self._outputs.resume(record["state"])
        self.running = record["i"]

    def _clear(self, cell: Any, record: dict[str, Any]) -> None:
        cell.outputs[:] = []
        self._outputs = None

    def _update(self, cell: Any, record: dict[str, Any]) -> None:
        for position in record["positions"]:
            cell.outputs[position].update(data=record["data"], metadata=record["metadata"])

    def _outputs_are(self, cell: Any, record: dict[str, Any]) -> None:
        from nbformat import from_dict

        self._outputs = None
        cell.outputs = from_dict(record["outputs"])

    def _end(self, cell: Any, record: dict[str, Any]) -> None:
        self._put_text()
        self._outputs = None
        self._set(cell, record)
        self.running = None
        if cell.cell_type == "code":
            self.ended.append(record["i"])

    def _set(self, cell: Any, record: dict[str, Any]) -> None:
        cell.metadata.update(record.get("metadata", {}))
        if "execution_count" in record:
            cell["execution_count"] = record["execution_count"]

    def _put_text(self) -> None:
        if self._outputs is not None:
            self._outputs.write()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the journal's lock; yields False where there is no journal (any more)."""
    end = time.monotonic() + _RELEASE_PATIENCE
    while (lock := _try_lock(path)) is None:
        if time.monotonic() > end:
            raise ConflictError(
                _("{notebook} is being executed.").format(notebook=path.name[1:].removesuffix(".journal")),
                next=_("Wait for its end, or stop its process, then recover it."),
            )
        time.sleep(0.02)
    try:
        yield lock >= 0
    finally:
        if lock >= 0:
            os.close(lock)


def _try_lock(path: Path) -> int | None:
    """Return the locked file; None where another has it, -1 where there is none."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise from_os_error(error, _("read the journal"), path) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == path.stat().st_ino:  # neither replaced nor removed meanwhile
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None
