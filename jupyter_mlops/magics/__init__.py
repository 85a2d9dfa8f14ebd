"""The notebook face: ``%load_ext jupyter_mlops``, ``%mlops``, ``%%track``, and magics about cells, slices and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Add the magics to a shell, point its MLflow at the workspace around it, and record its cells from now on.

    (``%load_ext jupyter_mlops``)
    """
    from ..cells.recorder import start_recording
    from .cells import CellMagics
    from .kernel import set_up_kernel
    from .magics import MlopsMagics
    from .reproduction import ReproductionMagics
    from .slices import SliceMagics

    shell.register_magics(ReproductionMagics)
    shell.register_magics(MlopsMagics, CellMagics, SliceMagics)
    workspace = set_up_kernel()
    if workspace is not None:
        start_recording(shell, workspace)
