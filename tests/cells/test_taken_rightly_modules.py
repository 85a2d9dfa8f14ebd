"""Modules that the user's modules import, edited between two runs: what follows from them is made again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .edits import forget, result
from .sessions import fresh_workspace

IMPORTS = {
    "at the top": "import imported_by_it\ndef f(): return imported_by_it.v\n",
    "in a function": "def f():\n    import imported_by_it\n    return imported_by_it.v\n",
}
CELLS = ["import imports_it", "x = imports_it.f()", "y = x + 1"]


@pytest.mark.parametrize("where", IMPORTS)
def test_a_module_that_a_module_imports(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("")
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    files = {"imports_it.py": IMPORTS[where], "imported_by_it.py": "v = 1\n"}
    with fresh_workspace() as workspace:
        for name, text in files.items():
            Path(name).write_text(text)
            os.utime(name, (time.time() - 60,) * 2)
        forget(files)
        assert result(workspace, CELLS, cached=True)[0] == "2"
        # When
        Path("imported_by_it.py").write_text("v = 22\n")
        forget(files)
        # Then
        assert result(workspace, CELLS, cached=True)[0] == "23"
        forget(files)
