"""The notebook face: ``%load_ext jupyter_mlops``, ``%mlops``, ``%%track``, and magics about cells, states and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Add the magics to a shell, point its MLflow at the workspace around it, and record its cells from now on.

    (``%load_ext jupyter_mlops``)
    """
    from ..cells.recorder import start_recording
    from ..cells.timetravel.kernel import start_time_travel
    from .cells import CellMagics
    from .kernel import set_up_kernel
    from .magics import MlopsMagics
    from .pipelines import PipelineMagics
    from .reproduction import ReproductionMagics
    from .slices import SliceMagics
    from .time_travel import TimeTravelMagics

    shell.register_magics(ReproductionMagics, PipelineMagics)
    shell.register_magics(MlopsMagics, CellMagics, SliceMagics, TimeTravelMagics)
    workspace = set_up_kernel()
    if workspace is not None:
        start_time_travel(shell, start_recording(shell, workspace))
