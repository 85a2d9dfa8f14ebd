"""The notebook face: ``%load_ext jupyter_mlops``, ``%mlops``, ``%%track``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Add the magics to a shell, and point its MLflow at the workspace around it (``%load_ext jupyter_mlops``)."""
    from .kernel import set_up_kernel
    from .magics import MlopsMagics

    shell.register_magics(MlopsMagics)
    set_up_kernel()
