"""A kernel whose port is taken while it starts: the ports are held for it; where one is lost, it is started again."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import papermill
import pytest
from jupyter_client.manager import AsyncKernelManager

from jupyter_mlops.engine import kernel_ports
from jupyter_mlops.engine.kernel_control import Control
from jupyter_mlops.engine.kernel_ports import awaits_kernel, choose_ports, release_ports
from jupyter_mlops.engine.kernel_start import start_kernel
from jupyter_mlops.engine.notebook_execution import KernelDiedError, StoppedError
from tests.pipelines.notebooks import outputs_text, write_notebook

from .conftest import eventually

#: Each start of the kernel leaves a line in `starts`, each run of the cell one in `runs`.
_KERNEL = """
import os, socket, sys
with open("starts", "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
{before}
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""
_CELL = "with open('runs', 'a') as file:\n    file.write('run\\n')\nprint('it ran')"


@pytest.fixture
def strangers() -> Iterator[list[socket.socket]]:
    """What listens at ports that a kernel was to have."""
    made: list[socket.socket] = []
    yield made
    for each in made:
        each.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, strangers: list[socket.socket]) -> list[int]:
    """After so many choices (the number in the list), a stranger takes a port between its choice and the start."""
    left = [1]
    write = AsyncKernelManager.write_connection_file

    def take_first(self: Any, **options: Any) -> None:
        write(self, **options)
        if left[0]:
            left[0] -= 1
            stranger = kernel_ports._bound(self.ip, self.shell_port)
            stranger.listen(1)
            strangers.append(stranger)

    monkeypatch.setattr(AsyncKernelManager, "write_connection_file", take_first)
    return left


def kernel_with(folder: Path, monkeypatch: pytest.MonkeyPatch, before: str = "") -> str:
    """Install a kernel that does something before it starts; return its name."""
    program = folder / "kernel.py"
    program.write_text(_KERNEL.format(before=before))
    spec = folder / "jupyter" / "kernels" / "counted"
    spec.mkdir(parents=True)
    argv = [sys.executable, str(program), "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Counted", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    return "counted"


def run(folder: Path, kernel: str, **options: Any) -> Path:
    source = write_notebook(folder / "in.ipynb", _CELL, kernel=kernel)
    papermill.execute_notebook(
        source, folder / "out.ipynb", engine_name="jupyter_mlops", progress_bar=False, cwd=folder, **options
    )
    return folder / "out.ipynb"


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


# -- holding -------------------------------------------------------------------------------------------------------


def test_what_is_chosen_for_a_kernel_is_given_to_nobody_else() -> None:
    manager = AsyncKernelManager(kernel_name="python3")
    choose_ports(manager)
    ports = list(manager.ports)
    assert len(set(ports)) == 5 and all(ports)
    for port in ports:
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind((manager.ip, port))
    # until it has them, or never will
    release_ports(manager)
    for port in ports:
        with socket.socket() as stranger:
            stranger.bind((manager.ip, port))


def test_a_kernel_takes_the_ports_that_are_held_for_it(tmp_path: Path) -> None:
    manager = start_kernel("python3", tmp_path)
    ports = list(manager.ports)
    assert awaits_kernel(manager)
    out = run(tmp_path, "python3", km=manager)
    assert "it ran" in outputs_text(out) and list(manager.ports) == ports
    assert not awaits_kernel(manager)
    assert not Path(manager.connection_file).exists()


def test_ports_are_let_go_of_with_their_manager() -> None:
    manager = AsyncKernelManager(kernel_name="python3")
    choose_ports(manager)
    port = manager.shell_port
    del manager
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))


def test_where_what_is_held_cannot_be_taken_it_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = kernel_ports._bound

    def strict(ip: str, port: int = 0) -> socket.socket:
        if port:
            raise OSError("Address already in use")  # as on macOS
        return bound(ip)

    monkeypatch.setattr(kernel_ports, "_bound", strict)
    manager = AsyncKernelManager(kernel_name="python3")
    choose_ports(manager)
    with socket.socket() as stranger:
        stranger.bind((manager.ip, manager.shell_port))


def test_the_ports_of_other_transports_and_of_remote_kernels_are_their_own_business() -> None:
    ipc = AsyncKernelManager(kernel_name="python3", transport="ipc")
    remote = AsyncKernelManager(kernel_name="python3")
    assert remote.kernel_spec is not None
    remote.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "far-away"}
    for manager in (ipc, remote):
        choose_ports(manager)
        assert not any(manager.ports) and not awaits_kernel(manager)


# -- starting again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True], ids=["the client's manager", "one that was started before"])
def test_a_kernel_that_lost_a_port_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[int], own: bool
) -> None:
    # Given a kernel one of whose ports somebody takes while it starts
    kernel = kernel_with(tmp_path, monkeypatch)
    options: dict[str, Any] = {"km": start_kernel(kernel, tmp_path)} if own else {"extensions": ["autoreload"]}
    # Then the notebook runs nevertheless, its cells once
    out = run(tmp_path, kernel, **options)
    assert "it ran" in outputs_text(out) and lines(tmp_path / "runs") == ["run"]
    # in a kernel that was started as the first one was
    first, second = lines(tmp_path / "starts")
    assert first == second and (own or "extra_extensions=autoreload" in second)
    assert not Path(first.split()[1]).exists()


def test_a_kernel_that_dies_each_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    taken[0] = 100
    kernel = kernel_with(tmp_path, monkeypatch)
    with pytest.raises(KernelDiedError, match="exit code 1"):
        run(tmp_path, kernel)
    assert len(lines(tmp_path / "starts")) == 3 and not lines(tmp_path / "runs")


def test_a_kernel_that_is_killed_as_it_starts_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = kernel_with(tmp_path, monkeypatch, "os.kill(os.getpid(), 9)")
    with pytest.raises(KernelDiedError, match="SIGKILL"):
        run(tmp_path, kernel)
    assert len(lines(tmp_path / "starts")) == 1


def test_an_execution_that_was_stopped_starts_no_kernel_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a kernel that is stopped as it starts, and ends by itself at that
    before = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: sys.exit(1)"
    kernel = kernel_with(tmp_path, monkeypatch, before)
    control = Control()

    def stop() -> None:
        eventually(lambda: lines(tmp_path / "starts"))
        control.stop("cancelled")

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(StoppedError):
        run(tmp_path, kernel, control=control)
    stopping.join()
    assert len(lines(tmp_path / "starts")) == 1 and not lines(tmp_path / "runs")


def test_a_kernel_that_has_answered_once_is_never_started_again(tmp_path: Path) -> None:
    # Given a person's own kernel, in which cells have run, that has died since
    manager = start_kernel("python3", tmp_path)
    release_ports(manager)
    pid = manager.provisioner.process.pid
    os.killpg(pid, 15)
    manager.provisioner.process.wait()
    with pytest.raises(KernelDiedError):
        run(tmp_path, "python3", km=manager)
    assert not lines(tmp_path / "runs")
