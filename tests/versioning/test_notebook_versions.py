"""Versions of notebooks: with the real git, on real files, in every state that people leave them in."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.errors import InvalidInputError, MissingProgramError, NotFoundError, PathError
from jupyter_mlops.versioning.notebook_history import NotebookHistory
from jupyter_mlops.versioning.types import (
    KeptNotebookQuery,
    NotebookDiffQuery,
    NotebookVersion,
    NotebookVersionQuery,
)
from jupyter_mlops.workspace import Workspace

from .conftest import Repo
from .notebooks import PATH, cell, configure, listed, notebook, plain, save

# -- keeping -------------------------------------------------------------------------------------------------------


def test_each_save_is_a_version_byte_for_byte(history: NotebookHistory) -> None:
    contents = [plain("x = 1"), plain("x = 2"), plain("x = 2", "y = x")]
    versions = [save(history, content) for content in contents]
    assert [history.content(PATH, version.id) for version in versions] == contents
    page = history.versions(NotebookVersionQuery(path=PATH))
    assert page.items == versions[::-1]
    assert (page.exists, page.current, page.not_kept) == (True, versions[-1].id, "")
    assert [version.size for version in versions] == [len(content) for content in contents]
    assert [each.changes and (each.changes.edited, each.changes.added) for each in versions] == [
        None,
        ([1], 0),
        ([], 1),
    ]


def test_nothing_changed_is_no_version(history: NotebookHistory) -> None:
    first = save(history, plain("x = 1"))
    assert save(history, plain("x = 1")) == first
    assert history.keep(PATH) == first
    assert listed(history) == [first]
    # A state that comes back later is one again.
    save(history, plain("x = 2"))
    assert save(history, plain("x = 1")).id != first.id
    assert len(listed(history)) == 3


def test_git_itself_can_read_a_version(history: NotebookHistory) -> None:
    content = plain("x = 1")
    version = save(history, content, "deep/er/a b.ipynb")
    folder = history.workspace.state / "notebooks.git"
    git = ["git", f"--git-dir={folder}"]
    refs = subprocess.run([*git, "for-each-ref", "--format=%(refname)"], capture_output=True, text=True, check=True)
    (ref,) = refs.stdout.split()
    assert ref.startswith("refs/mlops/notebooks/") and ref.endswith(f"/{version.id}")
    shown = subprocess.run([*git, "show", f"{ref}:a b.ipynb"], capture_output=True, check=True)
    assert shown.stdout == content
    subprocess.run([*git, "fsck", "--strict"], capture_output=True, check=True)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_users_repository_is_not_touched(workspace: Workspace, repo: Repo) -> None:
    repo.write(PATH, plain("x = 1"))
    repo.commit()
    before = repo.untouchable()
    refs, objects = repo.git("for-each-ref"), repo.git("count-objects", "-v")
    history = NotebookHistory(workspace)
    history.keep(PATH, cause="save")
    history.name(PATH, listed(history)[0].id, "first")
    history.thin()
    assert repo.untouchable() == before
    assert (repo.git("for-each-ref"), repo.git("count-objects", "-v")) == (refs, objects)
    assert repo.git("status", "--porcelain") == ""


def test_a_workspace_in_a_folder_of_a_repository_and_a_git_started_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Repo(tmp_path).init()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "wrong"))
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    history = NotebookHistory(Workspace.init(tmp_path / "inner"))
    version = save(history, plain("x"))
    assert history.content(PATH, version.id) == plain("x")
    monkeypatch.delenv("GIT_DIR")
    assert Repo(tmp_path).git("for-each-ref") == ""


def test_without_git_the_reason_is_said(history: NotebookHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    save(history, plain("x = 1"))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingProgramError, match="git is not installed"):
        history.keep(PATH)
    with pytest.raises(MissingProgramError):
        listed(history)


def test_what_the_browser_shows_is_kept_as_it_would_be_saved(history: NotebookHistory) -> None:
    import nbformat

    content = notebook(cell(1, "a\nb", "out\n"), kernelspec={"name": "python3"})
    version = history.keep(PATH, cause="execution", content=content, execution_id="e1")
    as_saved = history.workspace.root / PATH
    nbformat.write(nbformat.from_dict(content), as_saved, version=nbformat.NO_CONVERT)
    assert history.content(PATH, version.id) == as_saved.read_bytes()
    assert version.execution_ids == ["e1"]
    assert history.keep(PATH, cause="save") == version


@pytest.mark.parametrize(
    "content",
    [{}, {"nbformat": 3, "worksheets": []}, {"nbformat": 4, "cells": {"a": 1}}, {"nbformat": 4, "cells": [7]}],
)
def test_what_is_no_notebook_is_not_taken_from_the_browser(history: NotebookHistory, content: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="not a notebook"):
        history.keep(PATH, content=content)
    assert listed(history) == []


def test_executions_that_follow_each_other_share_one_version_and_the_last_state_stays(workspace: Workspace) -> None:
    history = configure(workspace, "execution_interval_s = 60")
    save(history, plain("for"))
    for number in range(30):
        content = notebook(cell(0, "for", f"{number}\n"))
        last = history.keep(PATH, cause="execution", content=content, execution_id=f"e{number}")
    assert [version.cause for version in listed(history)] == ["execution", "save"]
    assert b'"29\\n"' in history.content(PATH, last.id)
    assert last.execution_ids == [f"e{number}" for number in range(30)]
    assert last.changes is not None and last.changes.outputs == 1  # against the save, not against what it replaced
    # A save is never replaced, a named version neither.
    history.name(PATH, last.id, "good")
    history.keep(PATH, cause="execution", content=notebook(cell(1, "for", "30\n")))
    assert len(listed(history)) == 3


def test_executions_make_a_version_again_after_the_interval(workspace: Workspace) -> None:
    history = configure(workspace, "execution_interval_s = 0.0")
    for number in range(3):
        history.keep(PATH, cause="execution", content=notebook(cell(1, "x", f"{number}")))
    assert len(listed(history)) == 3


def test_executions_and_runs_are_added_to_a_version_that_did_not_change(history: NotebookHistory) -> None:
    first = save(history, plain("x"), execution_id="e1")
    again = history.keep(PATH, cause="execution", execution_id="e2", run_id="r1")
    assert (again.id, again.execution_ids, again.run_ids, again.cause) == (first.id, ["e1", "e2"], ["r1"], "save")
    for number in range(150):
        again = history.keep(PATH, cause="execution", execution_id=f"n{number}")
    assert len(again.execution_ids) == 100 and again.execution_ids[-1] == "n149"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe not text", b"[1, 2]", b'{"cells": [3]}', b"[" * 100_000])
def test_a_corrupt_notebook_is_versioned_as_bytes(history: NotebookHistory, content: bytes) -> None:
    good = save(history, plain("x = 1"))
    bad = save(history, content)
    assert history.content(PATH, bad.id) == content
    assert bad.changes is not None and bad.changes.unknown
    with pytest.raises(InvalidInputError, match="can't be compared"):
        history.compare(NotebookDiffQuery(path=PATH, base=good.id))
    history.restore(PATH, good.id)
    assert history.restore(PATH, bad.id).version.restored_from == bad.id
    assert (history.workspace.root / PATH).read_bytes() == content


@pytest.mark.parametrize(
    "path",
    ["a b.ipynb", "ä/日本語 🎉.ipynb", "50%25.ipynb", "-q.ipynb", "a'\"\\$(id).ipynb", "line\nbreak.ipynb",
     "refs.lock.ipynb", "@{1}.ipynb", "deep/.../x..y.ipynb", "UPPER.IPYNB", "~x.ipynb", "a:b.ipynb"],
)  # fmt: skip
def test_names_with_odd_characters(history: NotebookHistory, path: str) -> None:
    first = save(history, plain("x = 1"), path)
    save(history, plain("x = 2"), path)
    assert [version.path for version in listed(history, path)] == [path, path]
    history.restore(path, first.id)
    assert (history.workspace.root / path).read_bytes() == plain("x = 1")
    assert [kept.path for kept in history.kept(KeptNotebookQuery()).items] == [path]


@pytest.mark.parametrize(
    "path",
    ["../out.ipynb", "/etc/passwd.ipynb", "notes.txt", ".mlops/x.ipynb", ".ipynb_checkpoints/x.ipynb", "a\0.ipynb", "",
     "x" * 5000 + ".ipynb", ".git/x.ipynb", "folder/.ipynb_checkpoints/y-checkpoint.ipynb"],
)  # fmt: skip
def test_paths_that_are_no_notebooks_of_the_workspace(history: NotebookHistory, path: str) -> None:
    with pytest.raises(PathError):
        history.keep(path)
    with pytest.raises(PathError):
        history.restore(path, "20200101-000000-000000")
    assert not history._repository.exists


def test_links(history: NotebookHistory, tmp_path: Path) -> None:
    root = history.workspace.root
    (tmp_path / "out.ipynb").write_bytes(plain("secret"))
    (root / "leaves.ipynb").symlink_to(tmp_path / "out.ipynb")
    (root / "folder").symlink_to(tmp_path, target_is_directory=True)
    (root / "round.ipynb").symlink_to("round.ipynb")
    for path in ("leaves.ipynb", "folder/out.ipynb", "round.ipynb"):
        with pytest.raises(PathError):
            history.keep(path)
    # One that stays inside is another name of the same notebook, also when it is written.
    version = save(history, plain("x = 1"))
    (root / "alias.ipynb").symlink_to(PATH)
    save(history, plain("x = 2"))
    assert [each.path for each in listed(history, "alias.ipynb")] == [PATH, PATH]
    history.restore("alias.ipynb", version.id)
    assert (root / "alias.ipynb").is_symlink() and (root / PATH).read_bytes() == plain("x = 1")


def test_what_is_no_regular_file(history: NotebookHistory) -> None:
    os.mkfifo(history.workspace.root / "pipe.ipynb")
    (history.workspace.root / "folder.ipynb").mkdir()
    for path in ("pipe.ipynb", "folder.ipynb"):
        with pytest.raises(InvalidInputError):
            history.keep(path)
    with pytest.raises(NotFoundError):
        history.keep("missing.ipynb")


def test_a_notebook_that_is_too_large_is_left_alone_and_the_panel_is_told(workspace: Workspace) -> None:
    history = configure(workspace, "notebook_max_mb = 0.001")
    (workspace.root / PATH).write_bytes(plain("x" * 2000))
    with pytest.raises(InvalidInputError, match="notebook_max_mb"):
        history.keep(PATH)
    page = history.versions(NotebookVersionQuery(path=PATH))
    assert page.exists and "too large" in page.not_kept


def test_switched_off(workspace: Workspace) -> None:
    first = save(NotebookHistory(workspace), plain("x = 1"))
    history = configure(workspace, "notebooks = false")
    with pytest.raises(InvalidInputError, match="switched off"):
        save(history, plain("x = 2"))
    page = history.versions(NotebookVersionQuery(path=PATH))
    assert [version.id for version in page.items] == [first.id] and "switched off" in page.not_kept
    # Bringing back works, and what it overwrites is kept all the same.
    restored = history.restore(PATH, first.id)
    assert history.content(PATH, restored.before) == plain("x = 2")


# -- looking -------------------------------------------------------------------------------------------------------


def test_pages_and_filters(history: NotebookHistory) -> None:
    for number in range(7):
        save(history, plain(f'print("value {number}")', "Größe = 'é'"))
    named = history.name(PATH, listed(history)[2].id, "  Best One ")
    assert named.name == "Best One"
    seen: list[NotebookVersion] = []
    token = ""
    while True:
        page = history.versions(NotebookVersionQuery(path=PATH, max_results=3, page_token=token))
        seen += page.items
        token = page.next_page_token
        if not token:
            break
    assert seen == listed(history) and len(seen) == 7
    assert [each.id for each in listed(history, named=True)] == [named.id]
    assert [each.id for each in listed(history, search="best")] == [named.id]
    assert [each.id for each in listed(history, search='print("VALUE 3")')] == [seen[3].id]  # quotes are escaped inside
    assert len(listed(history, search="Größe")) == 7
    save(history, json.dumps(json.loads(plain("Größe = 0"))).encode())  # another program escapes it
    assert len(listed(history, search="Größe")) == 8
    assert listed(history, search="nothing of that") == []
    assert listed(history, cause="restore") == []
    assert history.version(PATH, "Best One") == named
    assert history.version(PATH, seen[0].id[:-3]) == seen[0]


@pytest.mark.parametrize("version", ["", "20200101-000000-000000", "nothing", "--help", "\n", "*"])
def test_a_version_that_there_is_not(history: NotebookHistory, version: str) -> None:
    save(history, plain("x"))
    for call in (history.version, history.content, history.text, history.restore, history.copy):
        with pytest.raises(NotFoundError, match="no version"):
            call(PATH, version)
    with pytest.raises(NotFoundError):
        history.name(PATH, version, "x")


@pytest.mark.parametrize("name", ["two\nlines", "x" * 201, "bell\a"])
def test_a_name_is_one_line(history: NotebookHistory, name: str) -> None:
    version = save(history, plain("x"))
    with pytest.raises(InvalidInputError):
        history.name(PATH, version.id, name)
    assert listed(history)[0].name == ""


def test_text(history: NotebookHistory) -> None:
    version = save(history, plain("x = 'ü'"))
    assert history.text(PATH, version.id).content == plain("x = 'ü'").decode()
    with pytest.raises(InvalidInputError, match="not text"):
        history.text(PATH, save(history, b"\xff").id)
