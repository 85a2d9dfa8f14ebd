"""Notebooks run cell by cell in this process, with the record and the cache of a kernel, without the kernel."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import re
import resource
import sys
import tempfile
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jupyter_mlops.cells.cache import CellCache
from jupyter_mlops.cells.execution import Observer, Running
from jupyter_mlops.cells.modules import LocalModules
from jupyter_mlops.cells.names import INTERPRETERS
from jupyter_mlops.cells.record import FORMAT, Execution
from jupyter_mlops.workspace import Workspace

#: The modules of this process are looked at once, not by each of a thousand sessions.
_MODULES = LocalModules()
#: Folders are made and removed a hundred times as fast in memory.
MEMORY_FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def observer_of(space: dict[str, Any], *, unlimited: bool = True, root: str = "") -> Observer:
    """What looks at a session's namespace."""
    made = Observer(space, dict(space), unlimited=unlimited, root=root)
    made.local = _MODULES
    return made


@contextlib.contextmanager
def fresh_workspace() -> Iterator[Workspace]:
    """A folder of its own, in which the notebook's files lie as well."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER) as folder:
        (Path(folder) / "mlops.toml").touch()
        os.chdir(folder)
        try:
            yield Workspace(folder)
        finally:
            os.chdir(before)


class Session:
    """One run of a notebook."""

    count = 0

    def __init__(self, workspace: Workspace, *, cached: bool = True):
        Session.count += 1
        self.id = f"session-{Session.count}"
        self.space: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
        self.workspace = workspace
        self.observer = observer_of(self.space, root=str(workspace.root))
        self.cache = CellCache(self.observer, workspace, session=self.id) if cached else None
        self.records: list[Execution] = []
        #: What was done with each cell.
        self.actions: list[str] = []

    def run(self, source: str) -> bool:
        """Run a cell, or take its results; return whether it succeeded."""
        if self.cache is not None:
            decision = self.cache.before(source)
            self.actions.append(decision.action)
            assert decision.action != "start over", decision.why
            if decision.action == "take":
                return True
        record, error = execute(self, source, sequence=len(self.actions))
        self.records.append(record)
        if self.cache is not None:
            self.cache.after(record, "")
        return error is None

    def run_all(self, notebook: list[str]) -> str:
        """Run cell after cell until one fails; return the variables and random states, as text."""
        for source in notebook:
            if not self.run(source):
                break
        if self.cache is not None:
            self.cache.put_back_all()
        return picture({name: each for name, each in self.space.items() if name not in INTERPRETERS})


def play(workspace: Workspace, notebook: list[str], *, cached: bool = True) -> Session:
    """Run a notebook in a session of its own; its cells must not fail."""
    session = Session(workspace, cached=cached)
    for cell in notebook:
        assert session.run(cell), session.records[-1]["error"]
    if session.cache is not None:
        session.cache.put_back_all()
    return session


def execute(
    session: Any, source: str, *, sequence: int, begun: Callable[[Running], None] = lambda running: None
) -> tuple[Execution, BaseException | None]:
    """Run a cell in a session's ``space`` as a kernel does; return its record, and how it failed."""
    record: Execution = {
        "kind": "execution",
        "format": FORMAT,
        "id": f"{session.id}-{len(session.records)}",
        "session": session.id,
        "sequence": sequence,
        "count": sequence,
        "source": source,
        "status": "running",
        "runs": [],
        "data": {},
        "outputs": [],
        "pipeline_run_id": "",
        "step": "",
    }
    running = Running(record, session.observer, session.workspace)
    running.begin()
    begun(running)
    error: BaseException | None = None
    try:
        with bounded():
            exec(compile(source, "cell", "exec"), session.space)
    except Exception as raised:
        raised.__traceback__ = None
        error = raised
    running.end(error)
    return record, error


class EndlessError(BaseException):
    """A random program does not end: it appends to a list that it goes over."""


#: What a random program may take: ``a.extend(iter(a))`` takes all there is, in one call that no trace function sees.
_MEMORY = 400 * 2**20


@contextlib.contextmanager
def bounded(lines: int = 3000) -> Iterator[None]:
    left = lines

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != "cell":
            return None
        left -= 1
        if left < 0 or (event == "exception" and issubclass(argument[0], MemoryError)):
            raise EndlessError
        return trace

    limits = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = sys.gettrace()
    resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY, limits[1]))
    sys.settrace(trace)
    try:
        yield
    except MemoryError as error:
        raise EndlessError from error
    finally:
        sys.settrace(before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def picture(space: dict[str, Any]) -> str:
    """All variables as text: values, and which of them are the same object. Made without the product's code."""
    numbers: dict[int, int] = {}
    alive: list[Any] = []
    lines = [f"{name} = {_show(space[name], numbers, alive)}" for name in sorted(space)]
    # Addresses get into texts; they differ in any two runs.
    return re.sub("0x[0-9a-f]+", "0x", "\n".join([*lines, f"random: {hash(random.getstate())}"]))


def _show(value: Any, numbers: dict[int, int], alive: list[Any]) -> str:
    if isinstance(value, (int, float, str, type(None), types.ModuleType)):
        return repr(value)
    if isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, types.ModuleType):
        return repr(value)
    if value == ():
        return "()"
    if id(value) in numbers:
        return f"#{numbers[id(value)]}"
    numbers[id(value)] = len(numbers)
    alive.append(value)

    def show(each: Any) -> str:
        return _show(each, numbers, alive)

    head = f"#{numbers[id(value)]} {type(value).__name__}"
    if isinstance(value, (list, tuple)):
        return f"{head}({', '.join(map(show, value))})"
    if isinstance(value, dict):
        return f"{head}({', '.join(f'{show(key)}: {show(each)}' for key, each in value.items())})"
    if isinstance(value, types.FunctionType):
        parts = [value.__defaults__, value.__kwdefaults__, value.__dict__, *map(_contents, value.__closure__ or ())]
        return f"{head} {value.__qualname__} {value.__code__.co_code.hex()}({', '.join(map(show, parts))})"
    if isinstance(value, type):
        if value.__module__ != "__main__":
            return value.__qualname__
        own = {name: each for name, each in vars(value).items() if not name.startswith("__")}
        return f"{head} {value.__qualname__} {show(own)}"
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return f"{head}({show(dict(frame.f_locals)) if frame is not None else 'ended'})"
    if isinstance(value, property):
        return f"{head}({show(value.fget)})"
    if isinstance(value, weakref.ref):
        gc.collect()  # a class that nobody has goes when it is collected, sooner in one run than in another
        return f"{head}({show(value())})"
    if isinstance(value, (types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType)):
        return f"{head}({show(value.__self__)}.{value.__name__})"
    if type(value).__module__ == "__main__":
        return f"{head}({show(type(value))} {show(vars(value))})"
    reduced = value.__reduce_ex__(4) if not isinstance(value, BaseException) else (type(value), value.args)
    if reduced[0] is iter and reduced[1] == ([],) and id(reduced[1][0]) not in numbers:
        return f"{head}(ended)"  # one that has ended, and one over a list that nobody else has, give the same
    return f"{head}({', '.join(show(each) for each in reduced[1:])})"


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return "empty"
