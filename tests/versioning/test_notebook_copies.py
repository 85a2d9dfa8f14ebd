"""Versions of notebooks as files beside them: by names that are free, whoever else writes there."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from jupyter_mlops.versioning.notebook_files import write_notebook
from jupyter_mlops.versioning.notebook_history import NotebookHistory

from .notebooks import PATH, plain, save


def test_copies_get_free_names_beside_the_notebook(history: NotebookHistory) -> None:
    version = save(history, plain("x = 1"), "sub/a.ipynb")
    paths = [history.copy("sub/a.ipynb", version.id).path for _ in range(2)]
    assert paths[0].startswith("sub/a (20") and paths[1] == paths[0].replace(").ipynb", ") 2.ipynb")
    assert all((history.workspace.root / path).read_bytes() == plain("x = 1") for path in paths)


def test_many_copies_and_writes_at_a_time_do_not_meet(history: NotebookHistory) -> None:
    # Given
    version = save(history, plain("x = 1"), "sub/a.ipynb")
    folder = history.workspace.root / "sub"
    together = threading.Barrier(8)
    made: list[str] = []
    failed: list[BaseException] = []

    def work(number: int) -> None:
        together.wait()
        try:
            made.extend(history.copy("sub/a.ipynb", version.id).path for _n in range(5))
            for each in range(20):
                write_notebook(folder / "a.ipynb", plain(f"x = {number}, {each}"))
        except BaseException as error:
            failed.append(error)

    # When
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then
    assert failed == []
    assert len(set(made)) == 40
    assert all((history.workspace.root / path).read_bytes() == plain("x = 1") for path in made)
    assert (folder / "a.ipynb").read_bytes() in {plain(f"x = {number}, 19") for number in range(8)}
    assert len(list(folder.iterdir())) == 41  # nothing temporary


def test_a_copy_on_a_disk_without_links(history: NotebookHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    version = save(history, plain("x = 1"))
    monkeypatch.setattr(os, "link", no_links)
    paths = {history.copy(PATH, version.id).path for _n in range(3)}
    assert len(paths) == 3
    assert all((history.workspace.root / path).read_bytes() == plain("x = 1") for path in paths)


def test_a_copy_that_cant_be_written_takes_no_name(history: NotebookHistory) -> None:
    def broken(file: Path, content: bytes) -> None:
        raise OSError("disk")

    version = save(history, plain("x = 1"))
    with pytest.raises(OSError, match="disk"):
        history.copy(PATH, version.id, broken)
    assert [each.name for each in history.workspace.root.glob("*.ipynb")] == [PATH]
