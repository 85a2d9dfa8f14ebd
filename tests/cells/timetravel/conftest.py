"""A shell with the record and time travel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.utils.capture import capture_output

from jupyter_mlops.cells.timetravel.kernel import KernelTravel, start_time_travel
from jupyter_mlops.magics.cells import CellMagics
from jupyter_mlops.magics.slices import SliceMagics
from jupyter_mlops.magics.time_travel import TimeTravelMagics

from ..conftest import RecordedShell, recorded

__all__ = ["recorded"]


class TravellingShell:
    """An IPython shell whose cells can be undone."""

    def __init__(self, recorded: RecordedShell):
        self.recorded = recorded
        self.shell = recorded.shell
        self.space = recorded.shell.user_ns
        self.workspace = recorded.workspace
        self.shell.register_magics(CellMagics, SliceMagics, TimeTravelMagics)
        self.kernel = self.start()

    def start(self) -> KernelTravel:
        """Switch it on, as loading the extension does."""
        made = start_time_travel(self.shell, self.recorded.recorder)
        assert made is not None
        return made

    def run(self, *cells: str) -> None:
        """Run cells, each In [n] of its own."""
        for cell in cells:
            self.recorded.run(cell)

    def say(self, line: str) -> str:
        """Run a magic; return what it shows, or the one line of its error."""
        with capture_output() as output:
            self.shell.run_cell(line, store_history=True)
        shown = [str(each.data.get("text/plain", "")) for each in output.outputs]
        return "\n".join([*shown, output.stderr, output.stdout]).strip()

    def settle(self) -> None:
        """Wait until all is written."""
        self.kernel.travel.keeper.finish()


@pytest.fixture
def travelling(recorded: RecordedShell) -> Iterator[TravellingShell]:
    made = TravellingShell(recorded)
    yield made
    made.kernel.stop()
