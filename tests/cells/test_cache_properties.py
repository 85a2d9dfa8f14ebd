"""The cache held against running everything: random notebooks, edited, taken from the cache where it can be."""

from __future__ import annotations

import collections
import contextlib
import copy
import json
import os
import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from jupyter_mlops.workspace import Workspace

from .programs import READING, cells, template
from .sessions import EndlessError, Session, fresh_workspace

#: Of each of the four parts below, which run on all cores.
EXAMPLES = int(os.environ.get("MLOPS_CELL_EXAMPLES", "500"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
_parts = pytest.mark.parametrize("part", range(4))

FIRST = (
    "import contextlib, random, copy, json, collections, weakref\n"
    "a = [1]\nb = [a, 2]\nc = a\nd = 3\ne = [[1], [2]]\nf = g = h = [0]"
)
_more = st.sampled_from(
    (
        "random.seed(1)", "random.seed(@[0])", "@ = [random.random()]", "@ = random.sample(range(9), 3)",
        "open('file.txt', 'w').write(str([i for i in @ if i in (0, 1, 2, 3)]))", "@ = [open('file.txt').read()]",
        "open('other.txt', 'a').write(str(type(@)))",
        "@ = (i for i in @)", "@ = lambda x=@: x.append(@)", "@()", "@ = @()", "@ = [@ for i in range(2)]",
        "@ = copy.deepcopy(@)", "@ = {'k': @, 'l': @}", "@['k'] = @", "@ = (@, @)", "@ = object()", "@ = @ is @",
        "def @(n=[]):\n    n.append(@)\n    return n", "def @():\n    global @\n    @ = [@]\n    return @",
        "class @:\n    kept = @\n    def put(self):\n        self.kept.append(@)\n        return self",
        "@ = @().put()", "@.kept = @", "@ = map(lambda i: (i, @), @)", "@ = list(@)", "@ = iter(@)", "@ = next(@, @)",
        "@ = exec('@ = [@]')", "del @, @", "@ = print", "@ = @.append", "@(@)", "@ = {}.__class__", "@ += [@]",
        "@ = random.Random(1)", "@ = @.random()", "@ = type('T', (), {'x': @})", "@ = @.x",
        "def outer():\n    n = @\n    def inner():\n        nonlocal n\n        n = [n, @]\n        return n\n"
        "    return inner\n@ = outer()",
    )
).flatmap(template)  # fmt: skip

#: What modules and classes of libraries have in them: set, added to, used.
_hidden = st.sampled_from(
    (
        "json.h3 = 1", "json.h3 = 2", "setattr(json, 'h3', len(@))", "random.Random.h3 = 3", "random.Random.h3 = 4",
        "copy.h3 = (*getattr(copy, 'h3', ()), 5)", "def @():\n    json.h3 = 6\n    return [json.h3]", "@ = @()",
        "@ = [getattr(json, 'h3', 0)]", "@ = [getattr(copy, 'h3', 0)]", "@ = [getattr(random.Random, 'h3', 0)]",
        "@ = [getattr(json, 'h3', 0), getattr(copy, 'h3', 0)]",
    )
).flatmap(template)  # fmt: skip


@st.composite
def _set_up(draw: st.DrawFn) -> str:
    """A cell that fails in no way that ends the notebook."""
    return "with contextlib.suppress(Exception):\n" + "\n".join(f"    {each}" for each in draw(_hidden).split("\n"))


@st.composite
def guarded(draw: st.DrawFn) -> str:
    """A cell; most swallow their errors, so that notebooks go on and end half-way in all sorts of places."""
    source = draw(
        st.one_of(
            cells(), _more, _hidden, READING, st.lists(st.one_of(_more, READING), min_size=2, max_size=3).map("\n".join)
        )
    )
    if draw(st.integers(0, 3)):
        body = "\n".join(f"    {line}" for line in source.split("\n"))
        source = f"with contextlib.suppress(Exception):\n{body}"
    with contextlib.suppress(SyntaxError):
        compile(source, "cell", "exec")
        return source
    return "a = [1]"


notebooks = st.lists(guarded(), min_size=1, max_size=7)
edits = st.lists(
    st.tuples(st.sampled_from(("replace", "insert", "delete", "swap", "again")), st.integers(0, 6), guarded()),
    max_size=2,
)


def edited(notebook: list[str], changes: list[tuple[str, int, str]]) -> list[str]:
    """The notebook after some edits."""
    now = list(notebook)
    for what, place, source in changes:
        at = place % max(len(now), 1)
        if what == "insert" or not now:
            now.insert(at, source)
        elif what == "replace":
            now[at] = source
        elif what == "delete":
            del now[at]
        elif what == "swap":
            now[at], now[0] = now[0], now[at]
        else:
            now.append(now[at])
    return now


def forget() -> None:
    """Undo what cells set in libraries."""
    for owner in (json, copy, random.Random):
        if hasattr(owner, "h3"):
            del owner.h3


def run(workspace: Workspace, notebook: list[str], *, cached: bool) -> tuple[str, list[str]]:
    """Run a notebook in a new session, from the same outside state; return the picture, and what was done."""
    for name in ("file.txt", "other.txt"):
        (workspace.root / name).unlink(missing_ok=True)
    random.seed(7)
    forget()
    session = Session(workspace, cached=cached)
    try:
        return session.run_all([FIRST, *notebook]), session.actions
    except EndlessError:
        session.observer.watch.end()
        reject()


#: Notebooks that are mostly about libraries, and edits that are.
set_ups = st.lists(st.one_of(_set_up(), _set_up(), _set_up(), guarded()), min_size=3, max_size=7)
set_up_edits = st.lists(
    st.tuples(st.sampled_from(("replace", "replace", "insert", "delete", "swap")), st.integers(0, 6), _set_up()),
    min_size=1,
    max_size=2,
)

counts: collections.Counter[str] = collections.Counter()


@_parts
@_checks
@given(notebook=notebooks, changes=edits)
def test_an_edited_notebook_ends_as_if_all_had_run(
    part: int, notebook: list[str], changes: list[tuple[str, int, str]]
) -> None:
    now = edited(notebook, changes)
    with fresh_workspace() as workspace:
        run(workspace, notebook, cached=True)
        with_cache, actions = run(workspace, now, cached=True)
        expected, _ = run(workspace, now, cached=False)
        assert with_cache == expected, actions
        # and once more, from what both have left
        again, actions = run(workspace, now, cached=True)
        assert again == expected, actions
        counts["cells of notebooks in which nothing had changed"] += len(actions)
        counts["of these not taken from the cache"] += len(actions) - actions.count("take")
    assert part >= 0


@settings(_checks, max_examples=EXAMPLES // 3)
@given(notebook=set_ups, changes=set_up_edits)
def test_what_cells_set_up_in_libraries_is_as_if_all_had_run(
    notebook: list[str], changes: list[tuple[str, int, str]]
) -> None:
    with fresh_workspace() as workspace:
        run(workspace, notebook, cached=True)
        now = edited(notebook, changes)
        with_cache, actions = run(workspace, now, cached=True)
        assert with_cache == run(workspace, now, cached=False)[0], actions


@settings(_checks, max_examples=EXAMPLES // 3)
@given(notebook=notebooks, changes=edits)
def test_files_are_as_if_all_had_run(notebook: list[str], changes: list[tuple[str, int, str]]) -> None:
    notebook = edited(notebook, [*changes, ("again", len(notebook) // 2, "")])

    def files(workspace: Workspace) -> dict[str, str]:
        return {each.name: each.read_text() for each in workspace.root.glob("*.txt")}

    with fresh_workspace() as workspace:
        run(workspace, notebook, cached=False)
        expected = files(workspace)
        for _time in range(2):
            run(workspace, notebook, cached=True)
            assert files(workspace) == expected


def test_the_cache_is_used() -> None:
    with fresh_workspace() as workspace:
        notebook = ["x = [1]", "y = x", "y.append(2)", "z = len(x)", "w = 5"]
        one, _ = run(workspace, notebook, cached=True)
        two, actions = run(workspace, notebook, cached=True)
        assert one == two and actions == ["take"] * 6
        _, actions = run(workspace, [*notebook[:2], "y.append(3)", *notebook[3:]], cached=True)
        assert actions == ["take", "take", "take", "run", "run", "take"]


@pytest.fixture(scope="module", autouse=True)
def _say_counts() -> Iterator[None]:
    yield
    for what, number in sorted(counts.items()):
        print(f"\n{what}: {number}", end="")
