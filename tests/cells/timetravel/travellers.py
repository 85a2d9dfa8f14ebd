"""Notebooks run cell by cell in this process, with the record and time travel of a kernel, without the kernel."""

from __future__ import annotations

from typing import Any

from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.timetravel.states import State
from jupyter_mlops.cells.timetravel.travel import TimeTravel
from jupyter_mlops.workspace import Workspace

from ..sessions import bounded, execute, observer_of, picture


class Traveller:
    """One session with time travel."""

    count = 0

    def __init__(self, workspace: Workspace, *, unlimited: bool = True, max_bytes: int = 10**9):
        Traveller.count += 1
        self.id = f"travel-{Traveller.count}"
        self.space: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
        self.workspace = workspace
        self.observer = observer_of(self.space, unlimited=unlimited, root=str(workspace.root))
        self.records: list[Execution] = []
        self.travel = TimeTravel(
            self.observer,
            workspace,
            self.id,
            run=self._again,
            record_of=self._record_of,
            max_bytes=max_bytes,
        )

    def _again(self, source: str) -> None:
        with bounded():
            exec(compile(source, "cell", "exec"), self.space)

    def _record_of(self, state: State) -> Execution | None:
        return next((each for each in self.records if each["id"] == state.id), None)

    def run(self, source: str) -> Execution:
        """Run a cell as a kernel does; return its record."""
        record, _error = execute(
            self,
            source,
            sequence=len(self.records) + 1,
            begun=lambda running: self.travel.before(running.may_change),
        )
        self.records.append(record)
        self.travel.after(record)
        return record

    def picture(self) -> str:
        """The variables and random states, as text."""
        return picture({name: each for name, each in self.space.items() if not name.startswith("__")})

    def close(self) -> None:
        self.travel.close()
