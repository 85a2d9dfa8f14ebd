"""Building a notebook from the records of its journal (:mod:`.output_journal`), one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..i18n import gettext as _
from .notebook_outputs import CellOutputs

#: What a record that does not fit what came before it leads to: one before it was lost on the disk.
_MISFIT = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError)


class Replay:
    """What the records say so far. One that does not fit is counted and passed over: the others are worth having."""

    def __init__(self) -> None:
        #: The notebook; None before the first record of it.
        self.node: Any = None
        #: Cells that had ended, in order, and the one that was running.
        self.ended: list[int] = []
        self.running: int | None = None
        #: Digests of what the execution wrote as the output notebook.
        self.written: set[str] = set()
        #: Records that don't fit.
        self.damaged = 0
        self._outputs: CellOutputs | None = None

    def take(self, record: dict[str, Any]) -> None:
        """Do once more what a record tells."""
        try:
            if record["t"] == "python":  # JSON with what Python's reader knows besides: NaN
                record = json.loads(record["json"])
            self._take(record["t"], record)
        except _MISFIT:
            self.damaged += 1

    def finish(self) -> Any:
        """Return the notebook; the cell that was running is marked as failed, and says why."""
        from nbformat.v4 import new_output

        self._put_text()
        if self.running is not None:
            cell = self.node.cells[self.running]
            said = _("The process that ran this notebook was killed while this cell was running.")
            cell.outputs.append(new_output("error", ename="Killed", evalue=said, traceback=[f"Killed: {said}"]))
            cell.metadata.setdefault("papermill", {}).update(status="failed", exception=True)
            self.node.metadata.setdefault("papermill", {})["exception"] = True
        return self.node

    def _take(self, kind: str, record: dict[str, Any]) -> None:
        if kind == "notebook":
            self._begin(record["nb"])
        elif kind == "written":
            self.written |= {str(digest) for digest in record["digests"]}
        elif kind != "claimed":
            do, index = self._KINDS[kind], record["i"]
            if type(index) is not int or index < 0:
                raise ValueError(index)
            do(self, index, self.node.cells[index], record)

    def _begin(self, content: dict[str, Any]) -> None:
        from nbformat import from_dict

        node = from_dict(content)
        ended: list[int] = []
        running = None
        for index, cell in enumerate(node.cells):
            status = cell.metadata.get("papermill", {}).get("status")
            if cell.cell_type == "code" and status in ("completed", "failed"):
                ended.append(index)
            elif cell.cell_type == "code" and status == "running":
                running = index
        self.node, self._outputs, self.ended, self.running = node, None, ended, running

    # -- one method for each kind of record ----------------------------------------------------------------------

    def _start(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        self._put_text()
        self._outputs = None
        self.running = index if cell.cell_type == "code" else None
        if cell.cell_type == "code":
            cell.outputs = []
        self._set(cell, record)

    def _output(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        from nbformat import from_dict

        output = from_dict(record["output"])
        if output["output_type"] == "stream" and not isinstance(output["text"], str):
            raise TypeError(output["text"])
        self._outputs_of(index, cell).add(output)

    def _left_out(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        self._outputs_of(index, cell).leave_out(record["size"])

    def _resume(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        outputs = CellOutputs(cell.outputs)
        outputs.resume(record["state"])
        self._outputs, self.running = outputs, index

    def _clear(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        self._make_running(index, cell)
        cell.outputs[:] = []
        self._outputs = None

    def _update(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        shown = [cell.outputs[position] for position in record["positions"]]
        data, metadata = record["data"], record["metadata"]
        for output in shown:
            output.update(data=data, metadata=metadata)

    def _outputs_are(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        from nbformat import from_dict

        outputs = from_dict(record["outputs"])
        self._outputs = None
        cell.outputs = outputs

    def _end(self, index: int, cell: Any, record: Mapping[str, Any]) -> None:
        if cell.cell_type == "code":
            self._make_running(index, cell)
        self._put_text()
        self._outputs = None
        self._set(cell, record)
        self.running = None
        if cell.cell_type == "code":
            self.ended.append(index)

    #: What a journal may tell. Nothing else of this class is named by a file.
    _KINDS: ClassVar[dict[str, Callable[[Replay, int, Any, Mapping[str, Any]], None]]] = {
        "start": _start,
        "output": _output,
        "left_out": _left_out,
        "resume": _resume,
        "clear": _clear,
        "update": _update,
        "outputs_are": _outputs_are,
        "end": _end,
    }

    # ------------------------------------------------------------------------------------------------------------

    def _outputs_of(self, index: int, cell: Any) -> CellOutputs:
        self._make_running(index, cell)
        if self._outputs is None or not cell.outputs:
            self._outputs = CellOutputs(cell.outputs)
        return self._outputs

    def _make_running(self, index: int, cell: Any) -> None:
        """Begin a cell whose own beginning was lost: its outputs are neither the last cell's nor its earlier ones."""
        if cell.cell_type != "code":
            raise ValueError(index)
        if self.running != index:
            self._start(index, cell, {})

    def _set(self, cell: Any, record: Mapping[str, Any]) -> None:
        cell.metadata.update(record.get("metadata", {}))
        if "execution_count" in record:
            cell["execution_count"] = record["execution_count"]

    def _put_text(self) -> None:
        if self._outputs is not None:
            self._outputs.write()
