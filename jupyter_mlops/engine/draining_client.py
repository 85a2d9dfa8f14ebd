"""A kernel client that takes messages off the socket as fast as they come.

ZeroMQ drops what a subscriber does not take in time once 1,000 messages wait: a kernel that flushes 20,000 lines
then loses output, and with it the message that the cell is done. Here nothing is dropped on this side.
"""

from __future__ import annotations

from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from traitlets import default

CLIENT_CLASS = f"{__name__}.DrainingKernelClient"


class DrainingKernelClient(AsyncKernelClient):
    """An ``AsyncKernelClient`` without a limit on waiting messages."""

    @default("context")
    def _unlimited_context(self) -> Any:
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RCVHWM, 0)
        return context
