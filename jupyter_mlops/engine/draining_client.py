"""A kernel client that takes messages off the socket as fast as they come, and does not wait for silence.

ZeroMQ drops what a subscriber does not take in time once 1,000 messages wait: a kernel that flushes 20,000 lines
then loses output, and with it the message that the cell is done. Here nothing is dropped on this side.
"""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from traitlets import default

CLIENT_CLASS = f"{__name__}.DrainingKernelClient"
#: Milliseconds between two tries to connect to a kernel that is only starting; ZeroMQ's own are 100.
_RECONNECT_MS = 10
#: Seconds that a kernel's outputs may be behind its reply; then it is asked again.
_BEHIND = 0.1


class DrainingKernelClient(AsyncKernelClient):
    """An ``AsyncKernelClient`` without a limit on waiting messages."""

    @default("context")
    def _unlimited_context(self) -> Any:
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RCVHWM, 0)
        context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        return context

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 — as jupyter_client calls it
        """Return when the kernel answers and what it puts out is heard here.

        jupyter_client waits until nothing was heard for 0.2 seconds. Hearing the end of what was asked for shows as
        well that the subscription has reached the kernel. Raises ``RuntimeError`` where the kernel dies, or does not
        answer within ``timeout`` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        asked = set()
        while True:
            asked.add(self.kernel_info())
            reply = await self._next_of(self.shell_channel, asked, 1.0)
            if reply is not None and reply["msg_type"] == "kernel_info_reply":
                if await self._heard_idle(asked):
                    self._handle_kernel_info_reply(reply)
                    return
            elif not await self._async_is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if end is not None and time.monotonic() > end:
                raise RuntimeError(f"Kernel didn't respond in {timeout:.0f} seconds")

    async def _heard_idle(self, asked: set[str]) -> bool:
        while (message := await self._next_of(self.iopub_channel, asked, _BEHIND)) is not None:
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return True
        return False

    @staticmethod
    async def _next_of(channel: Any, asked: set[str], patience: float) -> Any:
        """Return the next message that answers what was asked; None if none comes in time."""
        while True:
            try:
                message = await channel.get_msg(timeout=patience)
            except Empty:
                return None
            if message["parent_header"].get("msg_id") in asked:
                return message
