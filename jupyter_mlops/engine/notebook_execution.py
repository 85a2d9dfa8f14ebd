"""Executing a notebook cell by cell, with papermill's execution manager and client as we extend them.

Imported only by processes that execute a notebook (papermill and nbclient are heavy). Import ``papermill`` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .execution_client import Client, KernelDiedError, StoppedError
from .execution_manager import CellEnd, Manager, Reporter, runs
from .kernel_control import Control
from .kernel_start import extension_arguments
from .planning import Planner

__all__ = ["CellEnd", "Client", "KernelDiedError", "Manager", "Reporter", "StoppedError", "execute", "runs"]


def execute(
    nb: Any,
    kernel_name: str,
    *,
    output_path: str | None = None,
    progress_bar: Any = True,
    log_output: bool = False,
    autosave_cell_every: float = 30,
    reporter: Reporter | None = None,
    control: Control | None = None,
    stdout_file: Any = None,
    stderr_file: Any = None,
    start_timeout: float = 60,
    execution_timeout: float | None = None,
    km: Any = None,
    save_to: Path | None = None,
    planner: Planner | None = None,
    extensions: Sequence[str] = (),
    **options: Any,
) -> Any:
    """Execute ``nb`` and return it; see :class:`.papermill_engine.WorkspaceEngine`.

    ``save_to`` is where to write the notebook when papermill is given no output path: on a failure it would insert
    two cells and so move all the others. ``extensions`` are IPython extensions that the kernel loads as it starts.
    """
    from papermill.log import logger

    manager = Manager(
        nb,
        reporter=reporter,
        output_path=output_path or save_to,
        progress_bar=progress_bar,
        log_output=log_output,
        autosave_cell_every=autosave_cell_every,
    )
    own = control or Control()
    manager.notebook_start()
    try:
        own.start()
        known = set(Client.class_trait_names())
        client = Client(
            manager,
            own,
            km=km,
            planner=planner,
            extra_arguments=[*options.pop("extra_arguments", ()), *extension_arguments(extensions)],
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            startup_timeout=start_timeout,
            timeout=execution_timeout,
            # After the reply nbclient waits this long for output that is still on its way, then gives up with an
            # error. It looks whether the kernel lives all the while; a gigabyte takes its time.
            iopub_timeout=600,
            **{key: value for key, value in options.items() if key in known},
        )
        client.warm = _warm_kernels()
        client.execute()
        manager.written_again = bool(output_path)  # unless an error is raised
    finally:
        own.end()
        # papermill's caller looks for an error output; one in a cell that may fail is none.
        nb.metadata.papermill["exception"] = manager.failed_cell is not None
        manager.notebook_complete()
    if manager.target is not None and output_path:
        manager.target.take_over_last_write()
    return nb


def _warm_kernels() -> Path | None:
    """Return the state folder of the workspace that this runs in, if its worker may offer warm kernels."""
    from ..errors import MlopsError
    from ..workspace import Workspace

    try:
        workspace = Workspace.find()
        return workspace.state if workspace.config.engine.warm_kernels else None
    except MlopsError:  # none, or its settings can't be read: what runs here needs neither
        return None
