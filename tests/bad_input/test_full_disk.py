"""A full disk: each write says so in words, nothing that was there is lost, and work goes on once there is space."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mlops.errors import DiskFullError
from jupyter_mlops.events import Change
from jupyter_mlops.store import outbox
from jupyter_mlops.store.database import close_all, database
from jupyter_mlops.workspace import Workspace
from tests.conftest import fill


def test_making_a_workspace(small_disk: Path) -> None:
    ballast = fill(small_disk)
    with pytest.raises(DiskFullError, match="No space is left"):
        Workspace.init(small_disk / "project")
    assert not (small_disk / "project" / "mlops.toml").exists()
    ballast.unlink()
    Workspace.init(small_disk / "project")


def test_the_database(small_disk: Path) -> None:
    workspace = Workspace.init(small_disk / "project")
    with database(workspace).session() as session:
        outbox.announce(session, Change("run", "kept"))
    ballast = fill(small_disk)
    with pytest.raises(DiskFullError, match="No space is left"):
        for number in range(2000):
            with database(workspace).session() as session:
                outbox.announce(session, Change("run", f"r{number}", data={"filler": "x" * 2000}))
    with database(workspace).reading() as session:
        assert outbox.since(session, 0, limit=1)[0].key == "kept"
    ballast.unlink()
    with database(workspace).session() as session:
        outbox.announce(session, Change("run", "after"))
    close_all()
    with database(workspace).reading() as session:
        keys = [change.key for change in outbox.since(session, 0, limit=5000)]
    assert (keys[0], keys[-1]) == ("kept", "after")
