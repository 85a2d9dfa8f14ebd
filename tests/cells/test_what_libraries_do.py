"""What libraries do by themselves, and no cell asked for, is not taken for what the cell does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.cells.doings import Watch
from jupyter_mlops.cells.objects import reached_from
from jupyter_mlops.cells.surroundings import OPTIONS


@pytest.mark.parametrize("finder", ["importlib.metadata", "importlib_metadata"])
def test_looking_for_what_is_installed_reads_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finder: str
) -> None:
    # Given a notebook's folder, which is on sys.path
    import importlib.metadata

    pytest.importorskip(finder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    watch = Watch({})
    watch.begin()
    try:
        # When libraries look for plug-ins, as matplotlib does for its backends
        importlib.metadata.entry_points(group="matplotlib.backend")
        listed = list(watch.end().listed)
    finally:
        watch.end()
    # Then the folder was not read; a cell that lists it reads it
    assert str(tmp_path) not in listed
    watch.begin()
    list(tmp_path.iterdir())
    assert str(tmp_path) in watch.end().listed


def test_the_first_figure_of_a_notebook_sets_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    def options() -> Any:
        return [each for each in OPTIONS["matplotlib"].read(matplotlib) if each[0] == "interactive"]

    # Given no figure yet, and the backend that scripts have
    monkeypatch.delitem(sys.modules, "matplotlib_inline.backend_inline", raising=False)
    with matplotlib.rc_context():
        matplotlib.interactive(False)
        assert options() == []
        # When the first figure loads the notebook's backend, which switches to interactive, Then that is no option
        monkeypatch.setitem(sys.modules, "matplotlib_inline.backend_inline", matplotlib)
        matplotlib.interactive(True)
        assert options() == []
        # but a cell that switches it off sets one
        matplotlib.interactive(False)
        assert options() == [("interactive", "False")]


def test_generators_and_fitted_trees_hold_nothing_of_the_notebooks() -> None:
    import numpy as np
    from sklearn.tree import DecisionTreeClassifier

    random, fitted = np.random.RandomState(0), DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    generator = np.random.default_rng(0)
    found = {name: reached_from(each, {}) for name, each in (("r", random), ("g", generator), ("f", fitted))}
    # Nothing else has to be taken for sharing with them
    assert not any(each.unseen for each in found.values())
    # but what shares their memory is seen
    assert found["r"].ids.keys() & reached_from(random._bit_generator, {}).ids
    assert found["g"].ids.keys() & reached_from(generator.bit_generator, {}).ids
    assert found["f"].ids.keys() & reached_from(fitted.tree_.threshold, {}).ids
