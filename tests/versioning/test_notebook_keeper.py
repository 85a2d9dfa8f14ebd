"""The thread that keeps versions: nobody waits for it, and the last state is always kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.versioning import keeper as keeper_module
from jupyter_mlops.versioning.keeper import NotebookKeeper
from jupyter_mlops.versioning.notebook_history import NotebookHistory
from jupyter_mlops.versioning.types import NotebookVersion, NotebookVersionQuery
from jupyter_mlops.workspace import Workspace

from .notebooks import plain


@pytest.fixture
def keeper() -> Iterator[NotebookKeeper]:
    made = NotebookKeeper()
    yield made
    made.close(10)


def listed(workspace: Workspace, path: str = "a.ipynb") -> list[NotebookVersion]:
    return NotebookHistory(workspace).versions(NotebookVersionQuery(path=path, max_results=1000)).items


def wait_for(workspace: Workspace, count: int, path: str = "a.ipynb") -> list[NotebookVersion]:
    end = time.monotonic() + 10
    while len(listed(workspace, path)) < count:
        assert time.monotonic() < end, listed(workspace, path)
        time.sleep(0.05)
    return listed(workspace, path)


def test_a_save_is_kept_soon_by_itself(workspace: Workspace, keeper: NotebookKeeper) -> None:
    file = workspace.root / "a.ipynb"
    file.write_bytes(plain("x = 1"))
    keeper.saved(file)
    (version,) = wait_for(workspace, 1)
    assert (version.cause, version.path) == ("save", "a.ipynb")
    file.write_bytes(plain("x = 2"))
    keeper.saved(str(file))
    assert len(wait_for(workspace, 2)) == 2


def test_a_thousand_saves_are_few_versions_and_the_last_one_is_there(
    workspace: Workspace, keeper: NotebookKeeper
) -> None:
    file = workspace.root / "a.ipynb"
    for number in range(1000):
        file.write_bytes(plain(f"x = {number}"))
        keeper.saved(file)
    assert keeper.flush(20)
    versions = listed(workspace)
    assert len(versions) < 30
    assert NotebookHistory(workspace).content("a.ipynb", versions[0].id) == plain("x = 999")


def test_a_small_notebook_never_waits_long_and_a_large_one_takes_a_tenth_of_a_core(
    workspace: Workspace, keeper: NotebookKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = NotebookHistory.keep

    def slowly(*arguments: Any, **options: Any) -> NotebookVersion:
        time.sleep(0.3)  # as at the first time in a process
        return keep(*arguments, **options)

    monkeypatch.setattr(NotebookHistory, "keep", slowly)
    for name, size in (("a.ipynb", 10), ("b.ipynb", 6_000_000)):
        (workspace.root / name).write_bytes(plain("x" * size))
        keeper.saved(workspace.root / name)
        wait_for(workspace, 1, name)
        with keeper._changed:
            keeper._changed.wait_for(lambda name=name: str(workspace.root / name) in keeper._not_before, 5)
    now = time.monotonic()
    assert keeper._not_before[str(workspace.root / "a.ipynb")] - now < 0.3
    assert keeper._not_before[str(workspace.root / "b.ipynb")] - now > 1.5


def test_executions_are_named_in_the_version(workspace: Workspace, keeper: NotebookKeeper) -> None:
    file = workspace.root / "a.ipynb"
    file.write_bytes(plain("x = 1"))
    for number in range(3):
        keeper.executed(file, f"e{number}")
    assert keeper.flush(10)
    (version,) = listed(workspace)
    assert (version.cause, version.execution_ids) == ("execution", ["e0", "e1", "e2"])


def test_what_another_program_wrote_is_kept_when_it_is_opened(
    workspace: Workspace, keeper: NotebookKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "_OPEN_DELAY_S", 0.0)
    file = workspace.root / "a.ipynb"
    file.write_bytes(plain("by hand"))
    keeper.opened(file)
    assert keeper.flush(10)
    keeper.opened(file)
    file.write_bytes(plain("by me"))
    keeper.saved(file)
    assert keeper.flush(10)
    assert [version.cause for version in listed(workspace)] == ["save", "open"]


def test_a_save_that_waits_goes_along_with_a_rename(workspace: Workspace, keeper: NotebookKeeper) -> None:
    root = workspace.root
    (root / "f").mkdir()
    (root / "f" / "a.ipynb").write_bytes(plain("1"))
    keeper.saved(root / "f" / "a.ipynb")
    assert keeper.flush(10)
    (root / "f" / "a.ipynb").write_bytes(plain("2"))
    with keeper._changed:  # the thread can't take it before the rename
        keeper._not_before[str(root / "f" / "a.ipynb")] = time.monotonic() + 60
    keeper.saved(root / "f" / "a.ipynb")
    (root / "f").rename(root / "g")
    keeper.renamed(root / "f", root / "g")
    assert keeper.flush(10)
    assert [version.cause for version in listed(workspace, "g/a.ipynb")] == ["save", "rename", "save"]
    assert listed(workspace, "f/a.ipynb") == []


def test_files_of_no_workspace_and_no_notebooks_are_ignored(
    tmp_path: Path, keeper: NotebookKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.ipynb").write_bytes(plain("x"))
    keeper.saved(tmp_path / "a.ipynb")
    keeper.saved(tmp_path / "notes.txt")
    keeper.renamed(tmp_path / "a.ipynb", tmp_path / "b.ipynb")
    keeper.opened(tmp_path / "gone.ipynb")
    assert keeper.flush(10)
    assert caplog.records == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.ipynb"]


def test_a_failure_is_logged_once(
    workspace: Workspace,
    keeper: NotebookKeeper,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with caplog.at_level(logging.INFO):
        for number in range(3):
            for name in ("a.ipynb", "b.ipynb"):
                (workspace.root / name).write_bytes(plain(str(number)))
                keeper.saved(workspace.root / name)
            assert keeper.flush(10)
    assert [record.message for record in caplog.records if "git is not installed" in record.message] != []
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


@pytest.mark.parametrize("config", ["[versioning]\nnotebooks = false\n", "[versioning\n"])
def test_switched_off_or_unreadable_settings(workspace: Workspace, keeper: NotebookKeeper, config: str) -> None:
    (workspace.root / "mlops.toml").write_text(config)
    (workspace.root / "a.ipynb").write_bytes(plain("x"))
    keeper.saved(workspace.root / "a.ipynb")
    assert keeper.flush(10)
    assert not (workspace.state / "notebooks.git").exists()


def test_reporting_takes_no_time_while_git_works(workspace: Workspace, keeper: NotebookKeeper) -> None:
    file = workspace.root / "a.ipynb"
    file.write_bytes(plain("x" * 3_000_000))
    keeper.saved(file)
    time.sleep(0.05)  # the thread is in the middle of it
    slowest = 0.0
    for _ in range(200):
        begun = time.perf_counter()
        keeper.saved(file)
        keeper.opened(file)
        slowest = max(slowest, (time.perf_counter() - begun) / 2)
        time.sleep(0.001)
    assert slowest < 0.05
    assert keeper.flush(20)


def test_old_versions_are_thinned_out_when_nothing_else_is_to_do(
    workspace: Workspace, keeper: NotebookKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "mlops.toml").write_text("[versioning]\nkeep_all_hours = 0\nkeep_hourly_days = 0\n")
    monkeypatch.setattr(keeper_module, "_IDLE_S", 0.2)
    history = NotebookHistory(Workspace(workspace.root))
    file = workspace.root / "a.ipynb"
    for number in range(4):
        file.write_bytes(plain(str(number)))
        history.keep("a.ipynb")
    keeper.saved(file)
    end = time.monotonic() + 10
    while len(listed(workspace)) > 2:  # two where the tests run at midnight
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (history._repository.folder / "thinned").exists()


def test_closing_keeps_what_is_left_and_ends_the_thread(workspace: Workspace) -> None:
    keeper = NotebookKeeper()
    file = workspace.root / "a.ipynb"
    file.write_bytes(plain("x"))
    keeper.opened(file)
    keeper.close(10)
    assert len(listed(workspace)) == 1
    end = time.monotonic() + 5
    while any(thread.name == "mlops-notebook-versions" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_reported_after_the_close_is_kept_while_the_old_thread_still_works(
    workspace: Workspace, keeper: NotebookKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a keeper that was closed in the middle of a long write
    keep = NotebookHistory.keep
    begun, go_on = threading.Event(), threading.Event()

    def slow(self: NotebookHistory, path: str, **options: Any) -> NotebookVersion:
        if path == "slow.ipynb":
            begun.set()
            assert go_on.wait(20)
        return keep(self, path, **options)

    monkeypatch.setattr(NotebookHistory, "keep", slow)
    for name in ("slow.ipynb", "a.ipynb"):
        (workspace.root / name).write_bytes(plain("x"))
    keeper.saved(workspace.root / "slow.ipynb")
    assert begun.wait(10)
    old = keeper._thread
    keeper.close(0.01)
    assert old is not None and old.is_alive()
    # When
    keeper.saved(workspace.root / "a.ipynb")
    # Then it is kept at once, and what was being written counts as unfinished until it is written
    assert len(wait_for(workspace, 1)) == 1
    assert not keeper.flush(0.1)
    go_on.set()
    assert keeper.flush(10)
    assert len(listed(workspace, "slow.ipynb")) == 1
    old.join(10)
    assert not old.is_alive()
