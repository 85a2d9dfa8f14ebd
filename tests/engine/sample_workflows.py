"""Workflows for the tests: each writes what happens to a file, so that a test sees what ran and how often."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_mlops.engine import durable
from jupyter_mlops.errors import CancelledError, NotebookError
from jupyter_mlops.workspace import Workspace

durable.queue("sample")
durable.queue("single", concurrency=1)


def write(root: str, line: str) -> str:
    with (Path(root) / "trace").open("a") as out:
        out.write(line + "\n")
    return line


def wait_for(root: str, name: str) -> None:
    """Wait for a file that the test makes; leave when the workflow is to leave."""
    while not (Path(root) / name).exists():
        if durable.cancellation().wait(0.01):
            write(root, f"left {name}")
            raise CancelledError("left")


def begin_and_end(root: str, name: str) -> str:
    write(root, f"begin {name}")
    if (Path(root) / f"hold {name}").exists():
        wait_for(root, f"go {name}")
    return write(root, f"end {name}")


@durable.workflow("sample.steps")
def steps(root: str, count: int) -> list[str]:
    return [durable.step(begin_and_end, root, str(number), name=f"step {number}") for number in range(count)]


@durable.workflow("sample.parallel")
def parallel(root: str, names: list[str]) -> list[str]:
    """Write "kept" for each step when its result is stored, which is later than its end."""

    def run(place: durable.Reservation, name: str) -> str:
        line = place.run(begin_and_end, root, name)
        write(root, f"kept {name}")
        return line

    places = [durable.reserve() for _ in names]
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        futures = [pool.submit(run, place, name) for place, name in zip(places, names, strict=True)]
    return [future.result() for future in futures]


@durable.workflow("sample.echo")
def echo(value: Any) -> Any:
    return durable.step(lambda: value, name="echo")


@durable.workflow("sample.known_error")
def known_error() -> None:
    durable.step(_raise_known, name="known")


@durable.workflow("sample.caught")
def caught(root: str) -> str:
    """Go another way where a step fails, then wait: the replay must take the same way."""
    try:
        durable.step(_raise_unknown, name="unknown")
    except Exception as error:
        way = f"{type(error).__name__} {error}"
    durable.step(begin_and_end, root, "after")
    return way


@durable.workflow("sample.unknown_error")
def unknown_error() -> None:
    durable.step(_raise_unknown, name="unknown")


@durable.workflow("sample.flaky")
def flaky(root: str, failures: int, retries: int) -> str:
    return durable.step(_fail_first, root, failures, retries=retries, pause=0.01, name="flaky")


@durable.workflow("sample.stubborn")
def stubborn(root: str, seconds: float) -> str:
    """A step that listens to nothing."""
    return durable.step(_sleep, root, seconds, name="stubborn")


@durable.workflow("sample.environment")
def environment() -> dict[str, str]:
    return durable.step(lambda: dict(os.environ), name="environment")


def _sleep(root: str, seconds: float) -> str:
    write(root, "asleep")
    time.sleep(seconds)
    return write(root, "awake")


def _raise_known() -> None:
    raise NotebookError(
        "Cell 3 failed.", why="x is not defined", next="Define x.", details={"cell": 3, "ename": "NameError"}
    )


class _Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("no pickle can hold me")
        self.thread = ThreadPoolExecutor(max_workers=1)


def _raise_unknown() -> None:
    raise _Unpicklable


def _fail_first(root: str, failures: int) -> str:
    tries = len([line for line in (Path(root) / "trace").read_text().splitlines() if line == "try"])
    write(root, "try")
    if tries < failures:
        raise ConnectionResetError("not yet")
    return f"after {tries + 1}"


def on_worker_start(workspace: Workspace) -> None:
    write(str(workspace.root), "worker starts")


def on_worker_stop(workspace: Workspace) -> None:
    if not workspace.root.exists():
        return
    write(str(workspace.root), "worker stops")
    if (workspace.root / "hold stop").exists():
        (workspace.root / "hold stop").unlink()
        while not (workspace.root / "go stop").exists():
            time.sleep(0.01)


def has_work(workspace: Workspace) -> bool:
    return (workspace.root / "keep alive").exists()
