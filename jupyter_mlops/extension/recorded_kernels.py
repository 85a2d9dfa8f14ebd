"""Kernels that record their cells from their start, where ``[cells] every_kernel`` of the workspace says so.

The recorder goes to the kernel as an IPython extension on its command line, as the engine does it for steps: nothing
is run in the notebook's namespace, it is there again after a restart, and a kernel whose environment does not have this
package logs that and starts. The server's own means of starting a kernel is used, so whatever manager of kernels is
configured stays; kernels behind a gateway take no arguments and start as they are.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from pathlib import Path
from typing import Any

from ..engine.kernel_start import extension_arguments
from ..errors import MlopsError
from ..workspace import Workspace

RECORDER = "jupyter_mlops.cells.recorder"
TIME_TRAVEL = "jupyter_mlops.cells.timetravel.kernel"


class RecordedKernels:
    """Stands before the server's ``start_kernel``."""

    def __init__(self, kernels: Any, server_root: Path, log: logging.Logger):
        self._kernels = kernels
        self._root = server_root
        self._log = log
        self._start = kernels.start_kernel
        #: Kernel → the notebook that it was started for, under the name that this has now.
        self._notebooks: dict[str, Path] = {}
        kernels.start_kernel = self.start

    async def start(self, *, kernel_id: str | None = None, path: str | None = None, **options: Any) -> Any:
        """Start a kernel, or return the one with this id, as the server's manager does."""
        try:
            arguments = await asyncio.to_thread(self._arguments, path, options.get("kernel_name"))
        except Exception:  # whatever it is: the kernel is wanted more than its record
            self._log.warning("The cells of the kernel in %r are not recorded.", path, exc_info=True)
            arguments = []
        if arguments:
            options["extra_arguments"] = [*options.get("extra_arguments", []), *arguments]
        started = self._start(kernel_id=kernel_id, path=path, **options)
        kernel = await started if inspect.isawaitable(started) else started
        session = (options.get("env") or {}).get("JPY_SESSION_NAME", "")
        if isinstance(kernel, str) and session.endswith(".ipynb"):
            self._notebooks = {each: file for each, file in self._notebooks.items() if each in self._kernels}
            file = self._root / session  # it is absolute, but where a session has no name
            self._notebooks[kernel] = file.parent.resolve() / file.name
        return kernel

    def renamed(self, old: Path, new: Path) -> list[str]:
        """Return the kernels of a notebook, or of those in a folder, and take over its new name."""
        found = [each for each, file in list(self._notebooks.items()) if old == file or old in file.parents]
        for each in found:
            self._notebooks[each] = new / self._notebooks[each].relative_to(old)
        return found

    def _arguments(self, path: str | None, kernel_name: str | None) -> list[str]:
        workspace = Workspace.locate(self._root / (path or "").strip("/"))
        if workspace is None:
            return []
        try:
            cells = workspace.config.cells
        except MlopsError as error:  # a mistake in mlops.toml is shown in the panel
            self._log.info("The cells of the kernel in %r are not recorded: %s", path, error)
            return []
        if not (cells.record and cells.every_kernel):
            return []
        name = kernel_name or self._kernels.default_kernel_name
        spec = self._kernels.kernel_spec_manager.get_kernel_spec(name)
        return extension_arguments([RECORDER, TIME_TRAVEL]) if any("ipykernel" in each for each in spec.argv) else []
