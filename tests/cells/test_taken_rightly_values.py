"""Edited notebooks whose cells change values in ways that no call shows: the cache must not take what differs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from .edits import check
from .sessions import Session, fresh_workspace

READS = {
    "a property": ("@property\n    def v(self)", "self.n", "x = c.v"),
    "an item": ("__getitem__(self, key)", "key", "x = c[1]"),
    "an operator": ("__add__(self, other)", "other", "x = c + 1"),
    "an operator on the right": ("__rmul__(self, other)", "other", "x = 2 * c"),
    "a comparison": ("__eq__(self, other)", "True", "x = c == 1"),
    "a test": ("__bool__(self)", "True", "if c: x = 1"),
    "a length": ("__len__(self)", "3", "x = len(c)"),
    "what print shows": ("__repr__(self)", "'c'", "print(c)"),
    "a format": ("__format__(self, spec)", "'c'", "x = f'{c:>3}'"),
    "a missing attribute": ("__getattr__(self, name)", "name", "x = c.z"),
    "a container's part": ("__len__(self)", "3", "x = not [c][0]"),
}


@pytest.mark.parametrize("how", READS)
def test_reading_may_change_objects_of_the_notebooks_classes(how: str) -> None:
    head, value, use = READS[how]
    body = f"self.n = self.__dict__.get('n', 0) + 1\n        return {value}"
    decorator, _at, name = head.rpartition("\n    def ")
    top = f"{decorator}\n    def {name}" if decorator else f"def {name}"
    made = f"class C:\n    n = 0\n    {top}:\n        {body}"
    check(f"{made}\n---\nc = C()\n---\n!{use}\n---\ny = c.n", f"{use}\n{use}")


CASES = {
    "a lazy property": (
        "from functools import cached_property\nclass C:\n    @cached_property\n    def v(self):\n        return [1]"
        "\n---\nc = C()\n---\n!z = 1\n---\ny = 'v' in c.__dict__",
        "z = c.v",
    ),
    "an operator that changes its other side": (
        "class C:\n    def __add__(self, other):\n        other.append(1)"
        "\n---\nc = C()\nl = []\n---\n!c + l\n---\ny = len(l)",
        "c + l; c + l",
    ),
    "a class's operator on a new object": (
        "class C:\n    def __lshift__(self, other):\n        other.append(1)"
        "\n---\nl = []\n---\n!C() << l\n---\ny = len(l)",
        "C() << l; C() << l",
    ),
    "a dictionary with defaults": (
        "from collections import defaultdict\nD = defaultdict(list)\n---\n!x = 1\n---\ny = len(D)",
        "x = D['k']",
    ),
    "a dictionary with __missing__": (
        "class D(dict):\n    def __missing__(self, key):\n        self[key] = 1\n        return 1"
        "\n---\nD = D()\n---\n!x = 1\n---\ny = len(D)",
        "x = D['k']",
    ),
    "unpacking": ("it = iter([1, 2, 3])\n---\n!x = 1\n---\ny = list(it)", "a, b, c = it"),
    "unpacking with a star": ("it = iter([1, 2])\n---\n!x = 1\n---\ny = list(it)", "a, *b = it"),
    "unpacking in a list": ("it = iter([1, 2])\n---\n!x = 1\n---\ny = list(it)", "a = [*it]"),
    "unpacking in a loop": ("its = [iter([1, 2])]\n---\n!x = 1\n---\ny = list(its[0])", "for a, b in its: pass"),
    "unpacking what another name holds": (
        "it = iter([1, 2])\nits = [it]\n---\n!x = 1\n---\ny = list(it)",
        "(a, b), = its",
    ),
    "extending by an iterator": ("it = iter([1, 2])\n---\n!l = []\n---\ny = list(it)", "l = []\nl += it"),
    "assigning an iterator to a slice": ("it = iter([1, 2])\n---\n!l = []\n---\ny = list(it)", "l = []\nl[:] = it"),
    "bytes of an iterator": ("it = iter([1, 2])\n---\n!l = []\n---\ny = list(it)", "l = bytes(it)"),
    "searching an iterator": ("it = iter([1, 2])\n---\n!x = 1\n---\ny = list(it)", "x = 1 in it"),
    "a change through a weak reference": (
        "import weakref\nclass O: pass\no = O()\n---\nr = weakref.ref(o)\n---\n!r().v = 1\n---\ny = o.v",
        "r().v = 2",
    ),
    "a change through a proxy": (
        "import weakref\nclass O: pass\no = O()\n---\nr = weakref.proxy(o)\n---\n!r.v = 1\n---\ny = o.v",
        "r.v = 2",
    ),
    "a change through a set of weak references": (
        "import weakref\nclass O: pass\no = O()\n---\nr = weakref.WeakSet([o])\n---\n"
        "!for each in r: each.v = 1\n---\ny = o.v",
        "for each in r: each.v = 2",
    ),
    "deleting what has a __del__": (
        "log = []\nclass D:\n    def __del__(self):\n        log.append(1)\n---\nd = D()"
        "\n---\n!x = 1\n---\ny = len(log)",
        "del d",
    ),
    "binding anew what has a __del__": (
        "log = []\nclass D:\n    def __del__(self):\n        log.append(1)\n---\nd = D()"
        "\n---\n!x = 1\n---\ny = len(log)",
        "d = 1",
    ),
    "a __del__ that changes what it holds": (
        "class D:\n    def __init__(self, log):\n        self.log = log\n"
        "    def __del__(self):\n        self.log.append(1)"
        "\n---\nlog = []\n---\nd = D(log)\n---\n!x = 1\n---\ny = len(log)",
        "d = 1",
    ),
    "a name with two underscores": ("!__n = 1\n---\ny = __n + 1", "__n = 5"),
    "a name between underscores": ("!__version__ = 1\n---\ny = __version__ + 1", "__version__ = 5"),
    "a function's text": ("def f(): pass\n---\n!f.__doc__ = 'one'\n---\ny = f.__doc__", "f.__doc__ = 'two'"),
    "a function's name": ("def f(): pass\n---\n!f.__name__ = 'one'\n---\ny = f.__name__", "f.__name__ = 'two'"),
    "a function's annotations": (
        "def f(x): pass\n---\n!f.__annotations__['x'] = int\n---\ny = str(f.__annotations__)",
        "f.__annotations__['x'] = str",
    ),
    "a class's text": ("class A: pass\n---\n!A.__doc__ = 'one'\n---\ny = A.__doc__", "A.__doc__ = 'two'"),
    "conditions in a list": (
        "import pandas as pd\nd = pd.DataFrame({'a': [1, 2, 3]})\n---\nconds = ['a > @lim']\n---\n!lim = 1\n---\n"
        "y = len(d.query(' and '.join(conds)))",
        "lim = 2",
    ),
    "a condition in a dictionary": (
        "import pandas as pd\nd = pd.DataFrame({'a': [1, 2, 3]})\n---\ncfg = {'filters': ['a > @lim']}\n---\n!lim = 1"
        "\n---\ny = len(d.query(cfg['filters'][0]))",
        "lim = 2",
    ),
    "a frame's flags": (
        "import pandas as pd\nd = pd.DataFrame({'a': [1]})\n---\n!x = 1\n---\ny = d.flags.allows_duplicate_labels",
        "d.flags.allows_duplicate_labels = False",
    ),
    "a frame's own attribute": (
        "import pandas as pd, warnings\nd = pd.DataFrame({'a': [1]})\n---\n!d.note = 'one'\n---\ny = d.note",
        "d.note = 'two'",
    ),
    "a frame's own attribute, read by a new cell": (
        "import pandas as pd, warnings\nd = pd.DataFrame({'a': [1]})\n---\nd.note = 'one'\n---\n!y = 0",
        "y = d.note",
    ),
    "a context": (
        "import decimal\n---\nctx = decimal.getcontext()\n---\n!ctx.prec = 7\n---\ny = decimal.getcontext().prec",
        "ctx.prec = 8",
    ),
    "a logger": (
        "import logging\nlg = logging.getLogger('taken_rightly')\n---\nlg.setLevel(10)\n---\n!y = 1",
        "y = logging.getLogger('taken_rightly').level",
    ),
    "the path of modules": (
        "import sys\np = sys.path\n---\np.append('/one/' + 'two')\n---\n!y = 1",
        "y = '/one/two' in sys.path",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """What a cell may use is limited: libraries are loaded before."""
    for name in ("pandas", "pyarrow", "torch"):
        importlib.import_module(name)


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import decimal
    import logging

    monkeypatch.setattr(sys, "path", [*sys.path])
    with decimal.localcontext():
        yield
    logging.getLogger("taken_rightly").setLevel(0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", CASES)
def test_what_an_edit_changes_is_made_again(what: str) -> None:
    check(*CASES[what])


SHARED = {
    "from_numpy": ("a = np.zeros(3)\n---\nt = torch.from_numpy(a)\n---\n!t += 1\n---\ny = a.sum()", "t += 2"),
    "from_numpy in the same cell": (
        "a = np.zeros(3)\nt = torch.from_numpy(a)\n---\n!t += 1\n---\ny = a.sum()",
        "t += 2",
    ),
    "from_numpy, the other way": (
        "a = np.zeros(3)\n---\nt = torch.from_numpy(a)\n---\n!a += 1\n---\ny = t.sum()",
        "a += 2",
    ),
    "from_numpy of a part": ("a = np.zeros(3)\n---\nt = torch.from_numpy(a[1:])\n---\n!t += 1\n---\ny = a", "t += 2"),
    "a tensor in a dictionary": (
        "a = np.zeros(3)\nd = {}\n---\nd['t'] = torch.from_numpy(a[1:])\n---\n!a += 1\n---\ny = d['t'].sum()",
        "a += 2",
    ),
    "numpy": ("t = torch.zeros(3)\n---\na = t.numpy()\n---\n!a += 1\n---\ny = t.sum()", "a += 2"),
    "from_dlpack": ("a = np.zeros(3)\n---\nt = torch.from_dlpack(a)\n---\n!t += 1\n---\ny = a.sum()", "t += 2"),
    "a view of bytes": ("b = bytearray(3)\n---\nm = memoryview(b)\n---\n!m[0] = 1\n---\ny = sum(b)", "m[0] = 2"),
    "an array of bytes": (
        "b = bytearray(3)\n---\na = np.frombuffer(b, dtype=np.uint8)\n---\n!a += 1\n---\ny = sum(b)",
        "a += 2",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", SHARED)
def test_memory_is_shared_between_libraries(how: str) -> None:
    cells, other = SHARED[how]
    check(f"import numpy as np, torch\n---\n{cells}", other)


def test_usual_classes_cost_no_run() -> None:
    notebook = [
        "import enum",
        "class P:\n    def __init__(self, x):\n        self.x = x\n    @property\n    def half(self):\n"
        "        return self.x / 2",
        "class E(enum.Enum):\n    A = 1",
        "class R:\n    def __init__(self, items):\n        self.items = items\n    def __len__(self):\n"
        "        return len(self.items)\n    def __repr__(self):\n        return f'R({self.items})'",
        "p = P([2])\nr = R([1, 2])",
        "x = p.x[0] + len(r)",
        "print(p, r, E.A)",
        "z = len(r)",
    ]
    with fresh_workspace() as workspace:
        for _time in range(2):
            session = Session(workspace)
            for cell in notebook:
                assert session.run(cell)
        assert session.actions == ["take"] * len(notebook)
        edited = Session(workspace)
        for cell in [*notebook[:5], "x = p.x[0] - len(r)", *notebook[6:]]:
            assert edited.run(cell)
        assert edited.actions == [*["take"] * 5, "run", "take", "take"]


@pytest.mark.parametrize("end", ["", "\nraise ValueError"])
def test_a_taken_variable_that_a_cell_binds_and_deletes_is_gone(end: str) -> None:
    notebook = ["d = 3", "x = 1", f"d = 4\ndel d{end}"]
    with fresh_workspace() as workspace:
        pictures = {Session(workspace, cached=cached).run_all(notebook) for cached in (False, True)}
        edited = [notebook[0], "x = 2", notebook[2]]
        taken = Session(workspace)
        pictures_edited = {Session(workspace, cached=False).run_all(edited), taken.run_all(edited)}
    assert len(pictures) == len(pictures_edited) == 1
    assert taken.actions[0] == "take"
