"""An area of routes that only tests have: one for each thing that the framework must get right."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

from pydantic import Field

from jupyter_mlops.errors import ConflictError, NotFoundError
from jupyter_mlops.extension.routing import Call, Routes
from jupyter_mlops.schema import MetricValue, Model

routes = Routes("probe")
entered, leave = threading.Event(), threading.Event()


class Item(Model):
    """A thing."""

    name: str
    value: MetricValue = 0.0


class ItemQuery(Model):
    """Parameters of each kind."""

    count: int = Field(1, ge=1, le=9)
    exact: bool = True
    ratio: float = 0.5
    tag: list[str] = Field(default_factory=list)


class Where(Model):
    """What a handler saw."""

    root: str
    user: str
    thread: str


@routes.get("/probe/items/{name}", query=ItemQuery, returns=Item, in_workspace=False, raises=(NotFoundError,))
def get_item(call: Call) -> Item:
    """One item."""
    if call.path["name"] == "missing":
        raise NotFoundError(
            "No item 'missing'.", why="It was never made.", next="Make it.", details={"name": "missing"}
        )
    return Item(name=f"{call.path['name']} {call.query.count} {call.query.exact} {','.join(call.query.tag)}")


@routes.post("/probe/items", body=Item, returns=Item, location=lambda item: f"/probe/items/{item.name}")
def make_item(call: Call) -> Item:
    """Make an item."""
    return call.body


@routes.delete("/probe/items/{name}", in_workspace=False, raises=(ConflictError,))
def delete_item(call: Call) -> None:
    """Delete an item."""


@routes.get("/probe/where", returns=Where)
def get_where(call: Call) -> Where:
    """Where the handler runs."""
    return Where(root=str(call.workspace.root), user=call.user, thread=threading.current_thread().name)


@routes.get("/probe/nan", returns=Item, in_workspace=False)
def get_nan(call: Call) -> Item:
    """A value that JSON lacks."""
    return Item(name="nan", value=float("nan"))


@routes.get("/probe/bug", returns=Item, in_workspace=False)
def get_bug(call: Call) -> Item:
    """A bug, with a secret in its message."""
    raise RuntimeError("password=hunter2")


@routes.get("/probe/full", returns=Item, in_workspace=False)
def get_full(call: Call) -> Item:
    """A full disk."""
    raise OSError(errno.ENOSPC, "No space left on device", str(Path("data.parquet")))


@routes.get("/probe/slow", returns=Item, in_workspace=False)
def get_slow(call: Call) -> Item:
    """An answer that takes as long as the test wants."""
    entered.set()
    leave.wait(20)
    return Item(name="slow")
