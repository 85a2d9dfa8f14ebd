"""A notebook's client that starts a kernel again which died before it ever answered.

Imported only by processes that execute a notebook (nbclient is heavy).
"""

from __future__ import annotations

import contextlib
import logging
import signal
from typing import Any

from jupyter_core.utils import ensure_async, run_sync
from nbclient import NotebookClient
from nbclient.util import run_hook

from .death import why
from .kernel_control import signal_group
from .kernel_ports import awaits_kernel, choose_ports, release_ports
from .kernel_start import prepare_manager, process_of

log = logging.getLogger("jupyter_mlops.notebook")

#: How often a kernel is started that dies before it answers: where ports can't be held one may have been taken, or the
#: machine was short of something for a moment. No cell has run then.
_STARTS = 3
#: Signals by which people and the system end processes: then it is wanted, or would happen again.
_KILLED = {-signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL}


class StartingClient(NotebookClient):
    """Runs a notebook in a kernel of its own, or in the one of ``km``, which may be starting."""

    def create_kernel_manager(self) -> Any:
        """Make the kernel's manager, and prepare it."""
        manager = super().create_kernel_manager()
        self.prepare(manager)
        return manager

    def prepare(self, manager: Any) -> None:
        """Prepare a manager that has not started its kernel."""
        prepare_manager(manager)

    def may_start_again(self) -> bool:
        """Whether a kernel that died as it started is still wanted."""
        return True

    def kernel_started(self) -> None:
        """Hear that there is another process of the kernel."""

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel and return its client, as nbclient does; a kernel that has died is started again.

        Raises ``RuntimeError`` where the kernel dies each time, or does not answer in time.
        """
        manager: Any = self.km
        try:
            async with contextlib.AsyncExitStack() as undo:
                undo.push_async_callback(self._async_cleanup_kernel)  # whatever ends the wait, a cancellation too
                client = await self._answering(manager)
                undo.pop_all()
        finally:
            release_ports(manager)
        client.allow_stdin = False
        await run_hook(self.on_notebook_start, notebook=self.nb)
        return client

    start_new_kernel_client = run_sync(async_start_new_kernel_client)  # nbclient's would call the base class's method

    async def _answering(self, manager: Any) -> Any:
        """Return a client of the kernel once that answers."""
        starts = 1
        while True:
            client: Any = manager.client()
            self.kc = client
            await ensure_async(client.start_channels())
            try:
                await ensure_async(client.wait_for_ready(timeout=self.startup_timeout))
                return client
            except RuntimeError:
                ended = self._ended_by_itself()
                if starts == _STARTS or not ended or not self.may_start_again():
                    raise
            await ensure_async(client.stop_channels())
            log.warning("The kernel died as it started, and is started again. %s", ended)
            starts += 1
            await self._start_again()

    def _ended_by_itself(self) -> str:
        """Return in words how a kernel ended that was being started, if by itself; else ""."""
        process = process_of(self.km) if awaits_kernel(self.km) else None
        code = None if process is None else process.poll()
        return "" if code is None or code in _KILLED else why(code, {})

    async def _start_again(self) -> None:
        """Start the kernel as it was started, at other ports."""
        manager: Any = self.km
        signal_group(process_of(manager).pid, signal.SIGKILL)  # what it has started itself
        choose_ports(manager)
        await ensure_async(manager.restart_kernel(now=True))
        self.kernel_started()
