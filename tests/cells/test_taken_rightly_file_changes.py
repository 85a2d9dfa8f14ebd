"""Results are taken only while what the cell found of files and folders, when it looked at them, is there again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlops.workspace import Workspace

from .places import WAITS, place, play_with_another, write
from .sessions import Session, play

__all__ = ["place"]


# -- while a cell runs -------------------------------------------------------------------------------------------------

MEANWHILE = {
    "read": ["import os, time", f"x = open('d/a.csv').read()\n{WAITS}"],
    "asked": ["import os, time", f"x = os.path.getsize('d/a.csv')\n{WAITS}"],
    "listed": ["import os, time", f"x = sorted(os.listdir('d'))\n{WAITS}"],
    "by a library": [
        "import os, time, pyarrow.csv as pc",
        f"x = pc.read_csv('d/a.csv')['v'].to_pylist()\n{WAITS}",
    ],
}


@pytest.mark.parametrize("how", ["mv d/b.txt d/a.csv", "printf 'v\\n22\\n' > d/a.csv && touch d/n"])
@pytest.mark.parametrize("what", MEANWHILE)
def test_what_another_program_changes_while_the_cell_runs_is_not_what_it_found(
    place: Workspace, what: str, how: str
) -> None:
    # Given a file that another program replaces, or changes in place, after the cell has looked at it
    write("d/a.csv", "v\n1\n")
    write("d/b.txt", "v\n22\n")
    first = play_with_another(place, MEANWHILE[what], how)
    assert not first.records[-1]["key"]
    # Then nothing is taken for the result of what is there now, and what came of that is
    now = play_with_another(place, MEANWHILE[what], "true")
    assert now.space["x"] != first.space["x"]
    assert play_with_another(place, MEANWHILE[what], "true").actions[-1] == "take"


def test_content_that_keeps_its_time_of_change_is_known_for_another(place: Workspace) -> None:
    write("a.txt", "1")
    os.utime("a.txt", ns=(1, 1))
    cells = ["x = open('a.txt').read()", "y = 1", "z = open('a.txt').read()"]
    session = Session(place, cached=False)
    for cell in cells:
        if cell == "y = 1":
            write("a.txt", "2")
            os.utime("a.txt", ns=(1, 1))
        assert session.run(cell)
    assert session.records[0]["files_read"] != session.records[2]["files_read"]


@pytest.mark.parametrize(
    "does", ["open(f'd/{x}', 'w').close()", "os.remove('d/a')", "os.mkdir('d/sub')", "os.rename('d/a', 'd/b')"]
)
def test_a_cell_that_changes_a_folder_after_listing_it_is_run(place: Workspace, does: str) -> None:
    write("d/a", "1")
    session = play(place, ["import os", f"x = len(os.listdir('d')); y = {does}"])
    assert session.records[-1]["files_read"]["d"] == "changed"


def test_files_that_tools_save_beside_are_no_change_of_a_folder(place: Workspace) -> None:
    write("a.csv", "1")
    cells = ["import glob", "x = glob.glob('*.csv')"]
    tools = "touch a.ipynb .a.ipynb.journal; mkdir .ipynb_checkpoints"
    write("a.ipynb")
    assert play(place, cells).records[-1]["key"]
    subprocess.run(["/bin/sh", "-c", tools], check=True)
    assert play(place, cells).actions[-1] == "take"


# -- folders -----------------------------------------------------------------------------------------------------------

COMES: dict[str, Callable[[], object]] = {
    "empty file": lambda: write("d/new"),
    "hidden file": lambda: write("d/.new"),
    "empty folder": lambda: Path("d/new").mkdir(),
    "hidden folder": lambda: Path("d/.new").mkdir(),
    "link": lambda: Path("d/new").symlink_to("a"),
    "dangling link": lambda: Path("d/new").symlink_to("nowhere"),
}
IS_THERE: dict[str, Callable[[], object]] = {
    "file": lambda: None,
    "dangling link": lambda: Path("d/link").symlink_to("nowhere"),
    "link to itself": lambda: Path("d/link").symlink_to("link"),
    "link that leads back": lambda: Path("d/link").symlink_to("."),
    "unreadable folder": lambda: Path("d/folder").mkdir(mode=0),
}


@pytest.mark.parametrize(
    ("comes", "there"), [*((each, "file") for each in COMES), *(("empty file", e) for e in IS_THERE)]
)
def test_what_comes_into_a_folder_that_was_listed_is_seen(place: Workspace, comes: str, there: str) -> None:
    write("d/a", "1")
    IS_THERE[there]()
    cells = ["import os", "x = sorted(os.listdir('d'))"]
    play(place, cells)
    assert play(place, cells).actions[-1] == "take"
    COMES[comes]()
    assert play(place, cells).space["x"] == sorted(each.name for each in Path("d").iterdir())


def test_what_comes_into_a_linked_folder_that_a_library_reads_is_seen(place: Workspace) -> None:
    write("e/b.csv", "v\n1\n")
    Path("d").mkdir()
    Path("d/link").symlink_to("../e")
    cells = ["import pyarrow.dataset as ds", "x = ds.dataset('d/', format='csv').count_rows()"]
    play(place, cells)
    write("e/c.csv", "v\n1\n")
    assert play(place, cells).space["x"] == play(place, cells, cached=False).space["x"]


# -- how old a file is -------------------------------------------------------------------------------------------------

LOOKS = {
    "getmtime": "x = os.path.getmtime('a.txt')",
    "stat": "x = os.stat('a.txt').st_mtime_ns",
    "lstat": "x = os.lstat('a.txt').st_mtime_ns",
    "after another question": "y = os.path.exists('a.txt'); x = os.stat('a.txt').st_mtime",
    "of a path": "x = pathlib.Path('a.txt').stat().st_mtime",
    "of a path that is there": "p = pathlib.Path('a.txt')\nx = p.stat().st_mtime if p.exists() else 0",
    "in a function": "def age(p): return os.path.getmtime(p)\nx = [age(p) for p in ['a.txt']]",
    "access": "x = os.access('a.txt', os.X_OK)",
    "of a link": "x = os.lstat('link.txt').st_mtime",
}


@pytest.mark.parametrize("what", LOOKS)
def test_a_cell_that_asks_how_old_a_file_is_runs_when_it_is_another_age(place: Workspace, what: str) -> None:
    write("a.txt", "1")
    Path("link.txt").symlink_to("a.txt")
    cells = ["import os, pathlib", LOOKS[what]]
    play(place, cells)
    assert play(place, cells).actions[-1] == "take"
    os.utime("a.txt", ns=(10**9, 2 * 10**9))
    Path("a.txt").chmod(0o755)
    os.utime("link.txt", ns=(10**9, 3 * 10**9), follow_symlinks=False)
    assert play(place, cells).space["x"] == play(place, cells, cached=False).space["x"]


@pytest.mark.parametrize(
    "cell", ["x = open('a.txt').read()", "x = os.path.exists('a.txt')", "x = os.path.getsize('a.txt')"]
)
def test_a_cell_that_merely_reads_a_file_is_taken_whatever_its_age(place: Workspace, cell: str) -> None:
    write("a.txt", "1")
    play(place, ["import os", cell])
    os.utime("a.txt", ns=(10**9, 2 * 10**9))
    assert play(place, ["import os", cell]).actions[-1] == "take"


def test_a_file_made_anew_because_of_its_age_counts_with_its_age(place: Workspace) -> None:
    write("source", "1")
    cells = [
        "import os, shutil",
        "old = not os.path.exists('made') or os.path.getmtime('made') < os.path.getmtime('source')\n"
        "if old:\n    _copied = shutil.copyfile('source', 'made')",
    ]
    play(place, cells)
    assert not play(place, cells).space["old"]
    assert play(place, cells).actions[-1] == "take"
    later = Path("made").stat().st_mtime_ns + 10**9
    os.utime("source", ns=(later, later))
    assert play(place, cells).space["old"]


# -- other ways to files -----------------------------------------------------------------------------------------------

WAYS = {
    "fsspec open": ["import fsspec", "with fsspec.open('a.txt', 'rt') as f: x = f.read()\ndel f"],
    "fsspec exists": ["import fsspec", "x = fsspec.filesystem('file').exists('b.txt')"],
    "fsspec info": ["import fsspec", "x = fsspec.filesystem('file').info('a.txt')['size']"],
    "fsspec modified": ["import fsspec", "x = fsspec.filesystem('file').modified('a.txt')"],
    "fsspec cat": ["import fsspec", "x = fsspec.filesystem('file').cat('a.txt')"],
    "fsspec find": ["import fsspec", "x = len(fsspec.filesystem('file').find('d'))"],
    "asyncio thread": [
        "import asyncio, pathlib\nasync def read(): return await asyncio.to_thread(pathlib.Path('a.txt').read_text)",
        "x = asyncio.run(read())",
    ],
    "asyncio executor": [
        "import asyncio\ndef read():\n    with open('a.txt') as file:\n        return file.read()\n"
        "async def run(): return await asyncio.get_running_loop().run_in_executor(None, read)",
        "x = asyncio.run(run())",
    ],
    "from os import stat": ["from os import stat", "x = stat('a.txt').st_size"],
    "from os.path import exists": ["from os.path import exists", "x = exists('b.txt')"],
}


@pytest.mark.parametrize("what", WAYS)
def test_files_count_whatever_way_leads_to_them(place: Workspace, what: str) -> None:
    write("a.txt", "1")
    write("d/a.txt", "1")
    play(place, WAYS[what])
    assert play(place, WAYS[what]).actions == ["take", "take"]
    Path("a.txt").write_text("222")
    write("b.txt", "1")
    write("d/b.txt", "1")
    assert play(place, WAYS[what]).space["x"] == play(place, WAYS[what], cached=False).space["x"]


def test_a_function_that_asks_for_files_is_heard_when_it_comes_back(place: Workspace) -> None:
    write("a.txt", "1")
    play(place, ["from os import stat"])
    again = play(place, ["from os import stat", "x = stat('a.txt').st_size"])
    assert again.actions == ["take", "run"]
    assert "a.txt" in again.records[-1]["files_read"]


# -- what a cell made itself -------------------------------------------------------------------------------------------

FOLDERS = {
    "makedirs": "os.makedirs('out', exist_ok=True)",
    "mkdir of a path": "pathlib.Path('out').mkdir(exist_ok=True)",
    "with parents": "pathlib.Path('out/b').mkdir(parents=True, exist_ok=True)",
    "where there is none": "if not os.path.exists('out'):\n    os.mkdir('out')",
    "where there is no folder": "if not os.path.isdir('out'):\n    os.makedirs('out/b')",
}


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_that_a_cell_makes_sure_of_is_made_where_it_is_gone_and_only_then(
    place: Workspace, what: str, there: bool
) -> None:
    if there:
        Path("out/b").mkdir(parents=True)
    cells = [
        "import os, pathlib",
        FOLDERS[what],
        "n = open('out/a.txt', 'w').write('1')",
        "x = open('out/a.txt').read()",
    ]
    for _time in range(2):  # once without it, once with it
        play(place, cells)
    write("out/another")
    assert play(place, cells).actions == ["take"] * 4
    # When it is gone
    shutil.rmtree("out")
    assert play(place, cells).actions[1] != "take"
    assert Path("out/a.txt").exists()


OWN = {
    "written and read": "with open('a.txt', 'w') as f: f.write('1')\nx = open('a.txt').read()\ndel f",
    "written and asked for": "n = open('a.txt', 'w').write('1')\nx = os.path.getsize('a.txt')",
    "by NumPy": "np.save('a.npy', np.arange(3)); x = int(np.load('a.npy').sum())",
    "renamed": "n = open('t.txt', 'w').write('1')\nm = os.replace('t.txt', 'a.txt')\nx = open('a.txt').read()",
    "copied": "x = shutil.copy('b.txt', 'a.txt'); x = open('a.txt').read()",
    "added to": "n = open('a.txt', 'w').write('1')\nn = open('a.txt', 'a').write('2')\nx = open('a.txt').read()",
}


@pytest.mark.parametrize("what", OWN)
def test_what_a_cell_wrote_before_it_read_it_is_no_input(place: Workspace, what: str) -> None:
    write("b.txt", "1")
    cells = ["import numpy as np, os, shutil", OWN[what]]
    for _time in range(2):
        play(place, cells)
        assert play(place, cells).actions[-1] == "take"
        for path in ("a.txt", "a.npy"):
            Path(path).unlink(missing_ok=True)


NOT_OWN = {
    "its mode set": "m = os.chmod('a.txt', 0o600)\nx = open('a.txt').read()",
    "its mode set, and asked for": "m = os.chmod('a.txt', 0o600)\nx = os.path.getsize('a.txt')",
    "its time set": "m = os.utime('a.txt')\nx = os.path.getsize('a.txt')",
    "not made": "try:\n    open('a.txt', 'x')\nexcept FileExistsError:\n    x = open('a.txt').read()",
    "read before": "x = open('a.txt').read()\nn = open('a.txt', 'w').write(x)\ny = open('a.txt').read()",
    "another one renamed to it": "m = os.replace('b.txt', 'a.txt')\nx = open('a.txt').read()",
    "written over in part": "n = os.open('a.txt', 1)\nm = os.write(n, b'0')\nos.close(n)\nx = open('a.txt').read()",
}


@pytest.mark.parametrize("what", NOT_OWN)
def test_what_was_in_a_file_before_counts(place: Workspace, what: str) -> None:
    for text in ("1", "222"):
        write("a.txt", text)
        write("b.txt", text)
        again = play(place, ["import os", NOT_OWN[what]])
        write("a.txt", text)
        write("b.txt", text)
        assert again.space["x"] == play(place, ["import os", NOT_OWN[what]], cached=False).space["x"]
