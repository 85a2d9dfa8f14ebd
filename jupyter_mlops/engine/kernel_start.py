"""Starting a step's kernel, before papermill is imported: the two take a second each, and here they overlap."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .draining_client import CLIENT_CLASS
from .kernel_control import dies_with_parent
from .kernel_ports import choose_ports

#: As nbclient starts kernels: executed notebooks do not belong in a person's history.
_ARGUMENTS = ["--HistoryManager.hist_file=:memory:"]


def extension_arguments(extensions: Sequence[str]) -> list[str]:
    """Return the arguments with which an IPython kernel loads extensions as it starts; a missing one is only logged."""
    return [f"--IPKernelApp.extra_extensions={name}" for name in extensions]


def start_kernel(
    name: str, cwd: Path, extensions: Sequence[str] = (), *, warm: Path | None = None, imports: Sequence[str] = ()
) -> Any:
    """Start a kernel bound to this process's life and return its ``AsyncKernelManager``.

    ``extensions`` are names of IPython extensions; other kernels do without. With ``warm``, a workspace's ``.mlops``,
    the kernel is forked by the workspace's worker where it can be, with what is loaded of ``imports``.

    Raises ``jupyter_client.kernelspec.NoSuchKernel`` where no kernel has that name, ``OSError`` where its program is
    missing. Call it from the thread that will execute the notebook: the manager belongs to its event loop.
    """
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync

    manager = AsyncKernelManager(kernel_name=name)
    prepare_manager(manager, warm, imports)
    arguments = [*_ARGUMENTS, *extension_arguments(extensions)] if manager.ipykernel else []
    options: dict[str, Any] = {"cwd": str(cwd), "extra_arguments": arguments}
    prepare = dies_with_parent()
    if prepare is not None:
        options["preexec_fn"] = prepare
    run_sync(manager.start_kernel)(**options)
    return manager


def prepare_manager(manager: Any, warm: Path | None = None, imports: Sequence[str] = ()) -> None:
    """Give a kernel manager that has not started its kernel our client, its ports and, with ``warm``, a warm kernel.

    Raises ``jupyter_client.kernelspec.NoSuchKernel`` where no kernel has its name.
    """
    manager.client_class = CLIENT_CLASS
    choose_ports(manager)
    if manager.has_trait("transport_encryption"):  # jupyter_client 8.9: where the kernel knows how, its sockets are
        manager.transport_encryption = "auto"  # encrypted; without, ipykernel warns at the head of each step's log
    if warm is not None and not manager.kernel_spec.metadata.get("kernel_provisioner"):
        from .warm.provisioner import WarmProvisioner

        provisioner = WarmProvisioner(kernel_id=str(uuid.uuid4()), kernel_spec=manager.kernel_spec, parent=manager)
        provisioner.state, provisioner.imports = warm, imports
        manager.provisioner = provisioner


def process_of(manager: Any) -> Any:
    """Return the kernel's ``Popen``, None where it is not a local process."""
    return getattr(manager.provisioner, "process", None)
