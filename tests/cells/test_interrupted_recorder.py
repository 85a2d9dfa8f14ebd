"""An interrupt that comes while the recorder works, not the cell: nobody takes half of what the cell did for all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops import context
from jupyter_mlops.cells import cache_kernel
from jupyter_mlops.cells.file_digests import FileDigests
from jupyter_mlops.cells.variables import Variables

from .conftest import RecordedShell


def interrupting(real: Callable[..., Any]) -> Callable[..., Any]:
    """The function, during whose first call the person interrupts."""
    calls: list[int] = []

    def call(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **options)

    return call


def version(recorded: RecordedShell) -> str:
    return recorded.recorder.observer.variables.versions["x"]


@pytest.mark.parametrize(("where", "what"), [(FileDigests, "of"), (Variables, "before"), (Variables, "after")])
def test_an_interrupt_while_it_looks_gives_up_the_cell(
    recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch, where: type, what: str
) -> None:
    # Given a variable, and a file
    Path("a.txt").write_text("1")
    recorded.run("x = [1]")
    before = version(recorded)
    # When an interrupt comes while the record of a cell that changes and reads them is made
    with monkeypatch.context() as patch:
        patch.setattr(where, what, interrupting(getattr(where, what)))
        record = recorded.run("x.append(2)\nt = open('a.txt').read()")
    # Then the record says what it is, and no version stands for what was there before
    assert "KeyboardInterrupt" in record["incomplete"]
    assert not record["key"]
    assert version(recorded) != before
    assert recorded.journal()[-1]["id"] == record["id"]
    # and the next cell is recorded as ever
    assert recorded.run("n = len(x)")["reads"]["x"] == version(recorded)


def test_a_cell_that_could_not_be_recorded_changes_all_and_is_not_kept_as_another(
    recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a cell that is kept
    assert cache_kernel.begin() == ""
    first, second = "x = [1]", "x.append(2)"
    cache_kernel.before(first)
    recorded.run(first)
    assert cache_kernel.after("") == ""
    before, cache = version(recorded), cache_kernel._cache
    assert cache is not None
    cache_kernel.before(second)
    # When it can't be told where the next runs
    with monkeypatch.context() as patch:
        patch.setattr(context, "current", lambda workspace: 1 / 0)
        recorded.shell.run_cell(second)
    # Then nothing is kept of it, under its own source or the other's
    kept = {each["record"]["id"] for source in (first, second) for each in cache.entries.of(_hash(source))}
    assert cache_kernel.after("") == ""
    assert kept == {each["record"]["id"] for source in (first, second) for each in cache.entries.of(_hash(source))}
    assert len(kept) == 1
    assert version(recorded) != before


def _hash(source: str) -> str:
    from jupyter_mlops.engine.cell_source import source_hash

    return source_hash(source)
