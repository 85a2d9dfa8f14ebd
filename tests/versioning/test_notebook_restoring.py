"""Versions of notebooks: brought back, renamed, thinned out, by many writers, in any order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jupyter_mlops.errors import NotFoundError, ReadOnlyError
from jupyter_mlops.store.database import database
from jupyter_mlops.store.outbox import since
from jupyter_mlops.versioning.notebook_history import NotebookHistory
from jupyter_mlops.versioning.types import (
    KeptNotebookQuery,
    NotebookVersion,
    NotebookVersionQuery,
)
from jupyter_mlops.workspace import Workspace

from .notebooks import PATH, configure, listed, plain, save

# -- bringing back -------------------------------------------------------------------------------------------------


def test_restore_keeps_what_was_there_and_can_be_undone(history: NotebookHistory) -> None:
    file = history.workspace.root / PATH
    first = save(history, plain("x = 1"))
    save(history, plain("x = 2"))
    file.write_bytes(plain("never kept"))
    file.chmod(0o640)

    restored = history.restore(PATH, first.id)

    assert file.read_bytes() == plain("x = 1")
    assert file.stat().st_mode & 0o777 == 0o640
    assert (restored.version.cause, restored.version.restored_from) == ("restore", first.id)
    assert history.content(PATH, restored.before) == plain("never kept")
    history.restore(PATH, restored.before)
    assert file.read_bytes() == plain("never kept")
    assert [version.cause for version in listed(history)] == ["restore", "restore", "save", "save", "save"]
    assert sorted(path.name for path in file.parent.iterdir() if "train" in path.name) == [PATH]


def test_a_deleted_notebook_is_listed_and_comes_back(history: NotebookHistory) -> None:
    version = save(history, plain("x = 1"), "old/gone.ipynb")
    save(history, plain("y"), "here.ipynb")
    (history.workspace.root / "old" / "gone.ipynb").unlink()
    (history.workspace.root / "old").rmdir()
    (gone,) = history.kept(KeptNotebookQuery(deleted=True)).items
    assert (gone.path, gone.exists, gone.versions, gone.newest) == ("old/gone.ipynb", False, 1, version.id)
    assert not history.versions(NotebookVersionQuery(path=gone.path)).exists
    restored = history.restore(gone.path, gone.newest)
    assert restored.before == ""
    assert (history.workspace.root / gone.path).read_bytes() == plain("x = 1")
    assert history.kept(KeptNotebookQuery(deleted=True)).items == []


def test_kept_notebooks_come_in_pages(history: NotebookHistory) -> None:
    for number in range(5):
        save(history, plain("x"), f"{number}.ipynb")
    first = history.kept(KeptNotebookQuery(max_results=3))
    second = history.kept(KeptNotebookQuery(max_results=3, page_token=first.next_page_token))
    assert [each.path for each in first.items + second.items] == [f"{number}.ipynb" for number in (4, 3, 2, 1, 0)]
    assert second.next_page_token == ""


def test_a_read_only_notebook_is_not_replaced(history: NotebookHistory) -> None:
    first = save(history, plain("x = 1"))
    save(history, plain("x = 2"))
    file = history.workspace.root / PATH
    file.chmod(0o444)
    with pytest.raises(ReadOnlyError, match="read-only"):
        history.restore(PATH, first.id)
    assert file.read_bytes() == plain("x = 2")
    assert len(listed(history)) == 2
    copy = history.copy(PATH, first.id)
    assert (history.workspace.root / copy.path).read_bytes() == plain("x = 1")


def test_a_write_that_fails_leaves_the_notebook_and_the_history(history: NotebookHistory) -> None:
    first = save(history, plain("x = 1"))
    save(history, plain("x = 2"))

    def broken(file: Path, content: bytes) -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        history.restore(PATH, first.id, broken)
    assert (history.workspace.root / PATH).read_bytes() == plain("x = 2")
    assert [version.cause for version in listed(history)] == ["save", "save"]


# -- renaming ------------------------------------------------------------------------------------------------------


def test_the_history_follows_a_renamed_notebook(history: NotebookHistory) -> None:
    first = save(history, plain("x = 1"), "old.ipynb")
    (history.workspace.root / "old.ipynb").rename(history.workspace.root / "new.ipynb")
    assert history.rename("old.ipynb", "new.ipynb") == 1
    renamed, before = listed(history, "new.ipynb")
    assert (before.id, before.path, renamed.cause, renamed.path) == (first.id, "old.ipynb", "rename", "new.ipynb")
    assert listed(history, "old.ipynb") == []
    assert [kept.path for kept in history.kept(KeptNotebookQuery()).items] == ["new.ipynb"]
    assert history.rename("never.ipynb", "seen.ipynb") == 0


def test_a_renamed_folder_takes_its_notebooks_along(history: NotebookHistory) -> None:
    for path in ("a/one.ipynb", "a/b/two.ipynb", "ab/three.ipynb"):
        save(history, plain(path), path)
    assert history.rename("a", "c/d") == 2
    assert sorted(kept.path for kept in history.kept(KeptNotebookQuery()).items) == [
        "ab/three.ipynb",
        "c/d/b/two.ipynb",
        "c/d/one.ipynb",
    ]


def test_a_notebook_renamed_over_another_one_has_both_histories(history: NotebookHistory) -> None:
    save(history, plain("a"), "a.ipynb")
    save(history, plain("b"), "b.ipynb")
    save(history, plain("a2"), "a.ipynb")
    history.rename("a.ipynb", "b.ipynb")
    contents = [history.content("b.ipynb", version.id) for version in listed(history, "b.ipynb")]
    assert contents == [plain("a2"), plain("a2"), plain("b"), plain("a")]


# -- thinning ------------------------------------------------------------------------------------------------------


def test_old_versions_are_thinned_out_and_their_space_is_freed(workspace: Workspace) -> None:
    history = configure(workspace, "keep_all_hours = 1\nkeep_hourly_days = 2")
    versions = [save(history, plain("x", os.urandom(2000).hex())) for _ in range(12)]
    history.name(PATH, versions[3].id, "stays")
    with_run = history.keep(PATH, run_id="run1")
    save(history, plain("last"))
    now = versions[0].created_at + 3600 * 24 * 10
    size = sum(file.stat().st_size for file in history._repository.folder.rglob("*") if file.is_file())

    assert history.thin(now) == 12 + 1 - 3

    kept = listed(history)
    assert [version.id for version in kept][1:] == [with_run.id, versions[3].id]
    assert kept[2].changes is None  # nothing is before it any more
    assert kept[1].changes is not None and kept[1].changes.edited == [2]  # against versions[3]
    smaller = sum(file.stat().st_size for file in history._repository.folder.rglob("*") if file.is_file())
    assert smaller < size / 2
    with pytest.raises(NotFoundError):
        history.content(PATH, versions[0].id)
    assert history.thin(now) == 0


@given(
    ages=st.lists(st.floats(0, 24 * 90), min_size=1, max_size=40),
    marked=st.lists(st.integers(0, 39), max_size=5),
)
def test_what_thinning_promises(ages: list[float], marked: list[int]) -> None:
    """Of any hours and days with versions, the last one of each stays; what is young, named or newest stays, too."""
    from jupyter_mlops.config import VersioningSection
    from jupyter_mlops.versioning.retention import to_drop

    now = 1_700_000_000.0
    versions = [
        NotebookVersion(
            id=f"{place:03}", path="a", created_at=now - hours * 3600, cause="save", size=1, execution_ids=[],
            name="x" if place in marked else "", run_ids=[], restored_from="", changes=None, digest="",
        )
        for place, hours in enumerate(sorted(ages, reverse=True))
    ]  # fmt: skip
    drop = set(to_drop(versions, now, VersioningSection()))
    stay = [version for version in versions if version.id not in drop]
    assert versions[-1] in stay
    for version in versions:
        age = now - version.created_at
        if age <= 24 * 3600 or version.name:
            assert version in stay
        length = 3600 if age <= 30 * 86400 else 86400
        assert any(
            other.created_at >= version.created_at and other.created_at // length == version.created_at // length
            for other in stay
        )
    # And nothing more: two that stay in one old hour have a reason each.
    assert set(to_drop(stay, now, VersioningSection())) <= {version.id for version in stay if not version.name}


# -- many at once --------------------------------------------------------------------------------------------------


def test_writers_in_threads_lose_nothing(history: NotebookHistory) -> None:
    failed: list[BaseException] = []

    def work(who: int) -> None:
        try:
            for number in range(6):
                save(NotebookHistory(history.workspace), plain(f"{who} {number}"), f"{who % 2}.ipynb")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    history.thin()
    for thread in threads:
        thread.join()
    assert failed == []
    for path in ("0.ipynb", "1.ipynb"):
        versions = listed(history, path)
        assert len({version.id for version in versions}) == len(versions)
        assert history.content(path, versions[0].id) == (history.workspace.root / path).read_bytes()


def test_what_waits_for_a_restore_keeps_the_file_as_it_is_then(history: NotebookHistory) -> None:
    first = save(history, plain("1"))
    save(history, plain("2"))
    saver = threading.Thread(target=lambda: NotebookHistory(history.workspace).keep(PATH, cause="save"))

    def write_slowly(file: Path, content: bytes) -> None:
        saver.start()
        time.sleep(0.3)  # it has long read the file by now, or waits to
        file.write_bytes(content)

    restored = history.restore(PATH, first.id, write_slowly)
    saver.join()
    assert listed(history)[0] == restored.version


def test_a_clock_that_goes_back_keeps_the_order(history: NotebookHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    first = save(history, plain("1"))
    monkeypatch.setattr("jupyter_mlops.versioning.notebook_repository.time.time_ns", lambda: 1_000_000_000)
    second = save(history, plain("2"))
    assert second.id > first.id
    assert [version.id for version in listed(history)] == [second.id, first.id]


def test_changes_are_announced(history: NotebookHistory) -> None:
    version = save(history, plain("1"))
    save(history, plain("1"))
    history.name(PATH, version.id, "x")
    with database(history.workspace).reading() as session:
        changes = since(session, 0)
    assert [(each.topic, each.key, each.action) for each in changes] == [
        ("notebook", PATH, "created"),
        ("notebook", PATH, "updated"),
    ]
    assert changes[0].data == {"version": version.id, "cause": "save"}


def test_a_database_that_can_not_be_used_costs_no_version(
    history: NotebookHistory, caplog: pytest.LogCaptureFixture
) -> None:
    (history.workspace.state / "mlops.db").write_bytes(b"this is no database" * 100)
    version = save(history, plain("1"))
    assert listed(history) == [version]
    assert "could not be announced" in caplog.text


def test_a_half_made_repository_is_no_obstacle(history: NotebookHistory) -> None:
    half = history.workspace.state / "notebooks.git.new"
    half.mkdir()
    (half / "HEAD").write_text("ref: ")
    assert listed(history) == []
    save(history, plain("1"))
    assert len(listed(history)) == 1


def test_a_damaged_version_is_left_out_and_the_next_save_works(history: NotebookHistory) -> None:
    save(history, plain("1"))
    bad = save(history, plain("2"))
    ((_key, _version, commit),) = [ref for ref in history._repository.refs() if ref[1] == bad.id]
    file = history._repository.folder / "objects" / commit[:2] / commit[2:]
    file.chmod(0o644)
    file.unlink()
    assert [version.id for version in listed(history)] != []
    assert bad.id not in [version.id for version in listed(history)]
    assert save(history, plain("3")).id > bad.id


# -- any sequence of what people do --------------------------------------------------------------------------------


class Story(RuleBasedStateMachine):
    """Whatever is done in whatever order: each state that was ever saved can be brought back byte for byte."""

    make: Callable[[], NotebookHistory]

    def __init__(self) -> None:
        super().__init__()
        self.history = type(self).make()
        self.root = self.history.workspace.root
        #: Path → contents of its versions, oldest first.
        self.expected: dict[str, list[bytes]] = {}

    def kept(self, path: str, content: bytes) -> None:
        contents = self.expected.setdefault(path, [])
        if not contents or contents[-1] != content:
            contents.append(content)

    @rule(path=st.sampled_from(["a.ipynb", "b.ipynb"]), number=st.integers(0, 4))
    def save(self, path: str, number: int) -> None:
        content = plain(*(f"x = {n}" for n in range(number)))
        save(self.history, content, path)
        self.kept(path, content)

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.expected)))
        versions = listed(self.history, path)[::-1]
        place = data.draw(st.integers(0, len(versions) - 1))
        self.history.restore(path, versions[place].id)
        self.kept(path, self.expected[path][place])
        assert (self.root / path).read_bytes() == self.expected[path][place]

    @precondition(lambda self: any((self.root / path).exists() for path in self.expected))
    @rule(data=st.data(), name=st.sampled_from(["c.ipynb", "d.ipynb"]))
    def rename(self, data: st.DataObject, name: str) -> None:
        path = data.draw(st.sampled_from([p for p in sorted(self.expected) if (self.root / p).exists()]))
        if name in self.expected or path == name:
            return
        (self.root / path).rename(self.root / name)
        assert self.history.rename(path, name) == 1
        contents = self.expected.pop(path)
        self.expected[name] = [*contents, contents[-1]]

    @precondition(lambda self: any((self.root / path).exists() for path in self.expected))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from([p for p in sorted(self.expected) if (self.root / p).exists()]))
        (self.root / path).unlink()

    @rule()
    def thin(self) -> None:
        assert self.history.thin() == 0  # all of it is young

    @invariant()
    def every_state_is_there(self) -> None:
        for path, contents in self.expected.items():
            versions = listed(self.history, path)[::-1]
            assert [self.history.content(path, version.id) for version in versions] == contents
        assert {kept.path for kept in self.history.kept(KeptNotebookQuery()).items} == set(self.expected)


def test_any_sequence_keeps_every_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    class Here(Story):
        @staticmethod
        def make() -> NotebookHistory:
            return NotebookHistory(Workspace.init(tmp_path_factory.mktemp("story") / "w"))

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
