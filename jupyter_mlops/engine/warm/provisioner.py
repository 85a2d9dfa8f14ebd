"""How ``jupyter_client`` gets a warm kernel: a provisioner that has it forked, or else starts a fresh one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from . import framing
from .kernel import limits, own_cgroup
from .pool import ask

log = logging.getLogger("jupyter_mlops.notebook")

#: Seconds that a forked kernel may take until it can be connected to; a machine under load is slow.
_READY_TIMEOUT = 30.0


class WarmProvisioner(LocalProvisioner):
    """A local kernel, warm where there is one to be had. ``warm`` says after the start what it is, or why not."""

    #: The workspace's ``.mlops``; None: always fresh.
    state: Path | None = None
    #: What the notebook imports.
    imports: Sequence[str] = ()
    #: Modules that were loaded in the kernel from its start; None: it is a fresh one.
    loaded: list[str] | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Have the kernel forked, or start it."""
        forked, self.loaded = None, None
        if self.state is not None:
            forked = await asyncio.to_thread(self._fork, self.state, cmd, kwargs.get("env"), kwargs.get("cwd"))
        if forked is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.loaded = forked
        self.pid = self.pgid = self.process.pid  # it leads a group of its own
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    def _fork(
        self, state: Path, cmd: list[str], environment: Mapping[str, str] | None, cwd: Any
    ) -> tuple[ForkedProcess, list[str]] | None:
        python, arguments = _ipykernel(cmd)
        environment = dict(os.environ if environment is None else environment)
        if python is None:
            reason = "the kernel is not started as IPython's are"
        elif sys.platform == "win32":
            reason = "there is no fork on this system"
        else:
            answer = ask(state, python, environment, self.imports)
            reason = answer.get("fresh", "")
            if "template" in answer:
                try:
                    forked = ForkedProcess(answer["template"], arguments, environment, str(cwd or Path.cwd()))
                except (OSError, ValueError, EOFError) as error:
                    reason = f"{type(error).__name__}: {error}"
                else:
                    log.info("warm kernel with %s", ", ".join(answer["loaded"]) or "no imports")
                    return forked, answer["loaded"]
        log.info("fresh kernel: %s", reason)
        return None


class ForkedProcess:
    """A kernel that a template forked for us, with the face of a ``Popen``. It dies with this object."""

    stdin = stdout = stderr = None

    def __init__(self, address: str, arguments: Sequence[str], environment: Mapping[str, str], cwd: str):
        """Have it forked, and wait until it can be connected to. Raises ``OSError``, ``EOFError``, ``ValueError``."""
        self.args = ["ipykernel_launcher", *arguments]
        self._lock = threading.Lock()
        self._code: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        request = {
            "argv": list(arguments),
            "env": dict(environment),
            "cwd": cwd,
            "cgroup": own_cgroup(),
            "limits": limits(),
            "cpus": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
            "umask": _umask(),
        }
        try:
            self._connection.settimeout(_READY_TIMEOUT)
            self._connection.connect(address)
            framing.send(self._connection, request, [_descriptor(sys.__stdout__, 1), _descriptor(sys.__stderr__, 2)])
            self.pid = 0
            ready = False
            while not (self.pid and ready):
                message, _files = framing.receive(self._connection)
                if refused := message.get("refused"):
                    raise ValueError(refused)
                if "exit" in message:
                    raise ValueError(f"it ended with exit code {message['exit']} while it started")
                self.pid = message.get("pid", self.pid)
                ready = ready or "ready" in message
        except BaseException:
            self._connection.close()
            raise
        self._connection.setblocking(False)

    @property
    def returncode(self) -> int | None:
        """As ``Popen.returncode``, always up to date."""
        with self._lock:
            if self._code is None:
                try:
                    # A message that has begun to arrive is there whole: it is some bytes over a local socket.
                    self._connection.recv(1, socket.MSG_PEEK)
                    self._connection.settimeout(1.0)
                    message, _files = framing.receive(self._connection)
                    self._connection.setblocking(False)
                    self._code = message.get("exit")
                except BlockingIOError:
                    pass
                except (OSError, EOFError, ValueError):  # the template was killed, and its kernels with it
                    with contextlib.suppress(OSError):
                        os.kill(self.pid, signal.SIGKILL)
                    self._code = -signal.SIGKILL
                if self._code is not None:
                    self._connection.close()
            return self._code

    def poll(self) -> int | None:
        """As ``Popen.poll``."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As ``Popen.wait``."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.returncode) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """As ``Popen.send_signal``."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """As ``Popen.terminate``."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As ``Popen.kill``."""
        self.send_signal(signal.SIGKILL)


def _ipykernel(cmd: Sequence[str]) -> tuple[list[str] | None, list[str]]:
    """Return interpreter with its flags, and the kernel's arguments; None where it is another kind of kernel."""
    if "-m" not in cmd:
        return None, []
    position = list(cmd).index("-m")
    flags = cmd[1:position]
    if cmd[position + 1 : position + 2] != ["ipykernel_launcher"] or any(not flag.startswith("-X") for flag in flags):
        return None, []
    return list(cmd[:position]), list(cmd[position + 2 :])


def _descriptor(stream: Any, default: int) -> int:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return default


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
