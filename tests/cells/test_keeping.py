"""What is rather made again than kept: by how long its cell took, and how fast this machine writes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np  # noqa: F401 - a session's cells may take little memory: what they import is loaded before
import pytest

from jupyter_mlops.cells import keeping
from jupyter_mlops.workspace import Workspace

from .sessions import Session, fresh_workspace

SET_UP = "import time\nimport numpy as np"
#: 80 MB, made in no time and, with a pause before, as slowly as one wants.
QUICK = "{name} = np.zeros(10_000_000) + {value}"
SLOW = "time.sleep({seconds})\n" + QUICK


@pytest.fixture
def here() -> Iterator[Workspace]:
    with fresh_workspace() as workspace:
        yield workspace


def again(workspace: Workspace, *notebook: str) -> list[str]:
    """Run a notebook twice; return what was done with its cells the second time."""
    for _ in range(2):
        session = Session(workspace)
        for cell in notebook:
            assert session.run(cell)
    return session.actions


def test_something_large_that_took_its_time_is_kept_and_what_is_made_at_once_is_not(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_WRITE_SPEED", 80e6)  # whatever this machine is busy with: a second for each
    slow, quick = SLOW.format(name="a", value=1, seconds=1.2), QUICK.format(name="b", value=2)
    monkeypatch.setattr(keeping.Keeper, "_learn", lambda *_: None)

    assert again(here, SET_UP, slow, quick, "c = float(a[0] + b[0])") == ["take", "take", "replay", "take"]


def test_how_fast_a_machine_writes_is_learned_from_the_first_large_write(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_slow_disk(*arguments: Any, **options: Any) -> Any:
        kept = keep(*arguments, **options)
        if kept.written > 1e6:
            time.sleep(2)
        return kept

    keep = keeping.keep
    monkeypatch.setattr(keeping, "keep", on_a_slow_disk)
    first, second = SLOW.format(name="a", value=1, seconds=0.5), SLOW.format(name="b", value=2, seconds=0.5)

    # The first was written, in the belief that this is quick; the second was known to take longer than its cell.
    assert again(here, SET_UP, first, second) == ["take", "take", "replay"]
