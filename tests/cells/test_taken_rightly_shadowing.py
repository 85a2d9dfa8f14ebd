"""Results are taken only while the modules that a cell imported are those that Python would find now."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator

import pytest

from jupyter_mlops.workspace import Workspace

from .places import place, write
from .sessions import Session, play

__all__ = ["place"]


@pytest.fixture
def modules(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Session]]:
    """Runs a notebook as a new kernel does, with two folders for modules."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for folder in ("late", "early"):
        (place.root / folder).mkdir()
        monkeypatch.syspath_prepend(str(place.root / folder))

    def unload() -> None:
        for name in [name for name in sys.modules if name.startswith("of_place")]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def run(notebook: list[str], *, cached: bool = True) -> Session:
        unload()
        return play(place, notebook, cached=cached)

    yield run
    unload()


SHADOWS = {
    "an earlier folder": ({"late/of_place.py": "v = 1"}, "early/of_place.py", "import of_place\nx = of_place.v"),
    "a package beside": ({"late/of_place.py": "v = 1"}, "late/of_place/__init__.py", "import of_place\nx = of_place.v"),
    "a module of a package": (
        {"late/of_place/__init__.py": "", "late/of_place/b.py": "v = 1"},
        "late/of_place/b/__init__.py",
        "from of_place import b\nx = b.v",
    ),
    "a part of a namespace": (
        {"late/of_place/b.py": "v = 1"},
        "early/of_place/b.py",
        "import of_place.b as b\nx = b.v",
    ),
    "a package for a namespace": (
        {"early/of_place/b.py": "v = 1"},
        "late/of_place/__init__.py",
        "try:\n    from of_place.b import v as x\nexcept ImportError:\n    x = 0",
    ),
    "one that was not there": (
        {},
        "late/of_place.py",
        "try:\n    from of_place import v as x\nexcept ImportError:\n    x = 1",
    ),
    "imported by another": (
        {"late/of_place_a.py": "from of_place import v", "late/of_place.py": "v = 1"},
        "early/of_place.py",
        "import of_place_a\nx = of_place_a.v",
    ),
    "one of a package that was not there": (
        {"late/of_place/__init__.py": ""},
        "late/of_place/b.py",
        "try:\n    from of_place import b\n    x = b.v\nexcept ImportError:\n    x = 1",
    ),
    "one that another did not find": (
        {"late/of_place_a.py": "try:\n    from of_place import v\nexcept ImportError:\n    v = 1"},
        "late/of_place.py",
        "import of_place_a\nx = of_place_a.v",
    ),
    "one that was not there, by name": (
        {},
        "late/of_place.py",
        "import importlib\ntry:\n    x = importlib.import_module('of_place').v\nexcept ImportError:\n    x = 1",
    ),
    "one that was looked for": (
        {},
        "late/of_place.py",
        "import importlib.util\nx = importlib.util.find_spec('of_place') is None",
    ),
}


@pytest.mark.parametrize("what", SHADOWS)
def test_a_module_that_would_be_found_first_counts(modules: Callable[..., Session], what: str) -> None:
    files, comes, cell = SHADOWS[what]
    for path, text in files.items():
        write(path, text)
    cells = [cell, "y = [x]"]
    modules(cells)
    assert modules(cells).actions == ["take", "take"]
    # When a file comes that Python finds before the one that it loaded
    write(comes, "v = 2222")
    again = modules(cells)
    assert again.space["y"] == modules(cells, cached=False).space["y"]


WITHIN = {
    "a function": (
        "def f():\n    try:\n        from of_place import v\n    except ImportError:\n        v = 1\n    return v"
    ),
    "a method": (
        "class A:\n    def __call__(self):\n        try:\n            import of_place\n"
        "        except ImportError:\n            return 1\n        return of_place.v\nf = A()"
    ),
    "a function within": (
        "def made():\n    def inner():\n        try:\n            import of_place\n        except ImportError:\n"
        "            return 1\n        return of_place.v\n    return inner\nf = made()"
    ),
    "a function of a module": "from of_place_a import f",
    "a package": (
        "def f():\n    try:\n        from of_place_b import c\n    except ImportError:\n        return 1\n"
        "    return c.v"
    ),
    "a function, by name": (
        "import importlib\ndef f():\n    try:\n        return importlib.import_module('of_place').v\n"
        "    except ImportError:\n        return 1"
    ),
}


@pytest.mark.parametrize("what", WITHIN)
def test_a_module_that_a_function_did_not_find_counts_in_all_cells_that_call_it(
    modules: Callable[..., Session], what: str
) -> None:
    write("late/of_place_b/__init__.py")
    write(
        "late/of_place_a.py",
        "def f():\n    try:\n        from of_place import v\n    except ImportError:\n        v = 1\n    return v",
    )
    cells = [WITHIN[what], "x = f()", "y = [x]"]
    modules(cells)
    assert modules(cells).actions[1:] == ["take", "take"]
    write("late/of_place.py", "v = 2222")
    write("late/of_place_b/c.py", "v = 2222")
    again = modules(cells)
    assert "take" not in again.actions[1:]
    assert again.space["y"] == [2222]
