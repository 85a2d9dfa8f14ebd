"""Results are taken only while the answers are the same: by descriptors, about links, about files of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlops.workspace import Workspace

from .places import WAITS, place, play_with_another, write
from .sessions import play

__all__ = ["place"]

SECOND = 10**9

# -- by descriptors ----------------------------------------------------------------------------------------------------

BY_DESCRIPTOR = {
    "fstat": "with open('a.txt') as f: x = os.fstat(f.fileno()).st_mtime\ndel f",
    "fstat by keyword": "with open('a.txt') as f: x = os.fstat(fd=f.fileno()).st_mtime\ndel f",
    "fstat, imported": "from os import fstat\nwith open('a.txt') as f: x = fstat(f.fileno()).st_mtime\ndel f",
    "stat": "with open('a.txt') as f: x = os.stat(f.fileno()).st_mtime_ns\ndel f",
    "getmtime": "with open('a.txt') as f: x = os.path.getmtime(f.fileno())\ndel f",
    "opened by os": "n = os.open('a.txt', os.O_RDONLY); x = os.fstat(n).st_mtime; n = os.close(n)",
    "in a function": (
        "def age(file): return os.fstat(file.fileno()).st_mtime\nwith open('a.txt') as f: x = age(f)\ndel f"
    ),
    "listdir": "n = os.open('d', os.O_RDONLY); x = sorted(os.listdir(n)); n = os.close(n)",
    "scandir": (
        "n = os.open('d', os.O_RDONLY)\nwith os.scandir(n) as s: x = sorted([e.name for e in s])\n"
        "n = os.close(n)\ndel s"
    ),
    "fwalk": "x = sorted([name for each in os.fwalk('d') for name in each[2]])",
}


@pytest.mark.parametrize("what", BY_DESCRIPTOR)
def test_what_is_asked_by_a_descriptor_counts(place: Workspace, what: str) -> None:
    write("a.txt", "1")
    write("d/a", "1")
    cells = ["import os", BY_DESCRIPTOR[what]]
    play(place, cells)
    assert play(place, cells).actions[-1] == "take"
    os.utime("a.txt", ns=(SECOND, 2 * SECOND))
    write("d/new")
    assert play(place, cells).space["x"] == play(place, cells, cached=False).space["x"]


def test_a_folder_listed_by_a_descriptor_that_changes_meanwhile_gives_no_key(place: Workspace) -> None:
    write("d/a", "1")
    cells = [
        "import os",
        "n = os.open('d', os.O_RDONLY)\nx = os.listdir(n)\nopen('d/new', 'w').close()\nn = os.close(n)",
    ]
    assert play(place, cells).records[-1]["files_read"]["d"] == "changed"


def test_a_number_of_a_file_that_is_left_open_is_none_in_another_process(place: Workspace) -> None:
    write("a.txt", "123")
    cells = ["import os", "n = os.open('a.txt', os.O_RDONLY)", "x = os.read(n, 2)"]
    os.close(play(place, cells).space["n"])
    again = play(place, cells)
    assert again.actions[1] == "replay"
    assert again.space["x"] == b"12"
    os.close(again.space["n"])


# -- links -------------------------------------------------------------------------------------------------------------

LINKS = {
    "readlink": "x = os.readlink('link')",
    "after another question": "y = os.stat('link').st_size; x = os.readlink('link')",
    "of a path": "x = str(pathlib.Path('link').readlink())",
    "realpath": "x = os.path.realpath('link')",
    "resolve": "x = str(pathlib.Path('link').resolve())",
    "realpath within": "x = os.path.realpath('folder/c.txt')",
    "realpath of none": "x = os.path.realpath('none')",
    "resolve of none": "x = str(pathlib.Path('none').resolve())",
    "islink": "x = os.path.islink('none')",
    "is_symlink": "x = pathlib.Path('same').is_symlink()",
    "lexists": "x = os.path.lexists('none')",
    "lstat of one that leads nowhere": "x = os.lstat('nowhere').st_mtime",
}


def _point(name: str, target: str) -> None:
    Path(name).unlink(missing_ok=True)
    Path(name).symlink_to(target)


@pytest.mark.parametrize("what", LINKS)
def test_a_cell_that_asks_where_a_link_leads_runs_when_it_leads_elsewhere(place: Workspace, what: str) -> None:
    for path in ("a.txt", "b.txt", "same", "c/c.txt", "d/c.txt"):
        write(path, "1")
    for name, target in {"link": "a.txt", "folder": "c", "nowhere": "gone"}.items():
        _point(name, target)
    cells = ["import os, pathlib", LINKS[what]]
    play(place, cells)
    assert play(place, cells).actions[-1] == "take"
    for name, target in {"link": "b.txt", "folder": "d", "none": "lost", "same": "a.txt", "nowhere": "lost"}.items():
        _point(name, target)
    os.utime("nowhere", ns=(SECOND, 3 * SECOND), follow_symlinks=False)
    assert play(place, cells).space["x"] == play(place, cells, cached=False).space["x"]


@pytest.mark.parametrize("what", ["readlink", "of a path", "realpath", "resolve", "islink"])
def test_a_cell_that_only_asks_where_a_link_leads_is_taken_whatever_is_there(place: Workspace, what: str) -> None:
    write("a.txt", "1")
    _point("link", "a.txt")
    cells = ["import os, pathlib", LINKS[what]]
    play(place, cells)
    write("a.txt", "222")
    assert play(place, cells).actions[-1] == "take"


def test_a_folder_made_where_a_resolved_path_leads_is_no_input(place: Workspace) -> None:
    cells = ["import os, pathlib", "p = pathlib.Path('out').resolve()\np.mkdir(exist_ok=True)"]
    play(place, cells)
    assert play(place, cells).actions[-1] == "take"


def test_a_link_that_another_program_changes_while_the_cell_runs_is_not_what_it_found(place: Workspace) -> None:
    _point("link", "a.txt")
    cells = ["import os, time", f"x = os.readlink('link')\n{WAITS}"]
    first = play_with_another(place, cells, "ln -sfn b.txt link")
    assert first.space["x"] == "a.txt" and not first.records[-1]["key"]


# -- when a file was read last -----------------------------------------------------------------------------------------

READ_LAST = {
    "getatime": "x = os.path.getatime('a.txt')",
    "stat": "x = os.stat('a.txt').st_atime_ns",
    "of a path": "x = pathlib.Path('a.txt').stat().st_atime",
    "in a function": "def last(path): return os.path.getatime(path)\nx = last('a.txt')",
    "of what is listed": "x = [each.stat().st_atime for each in os.scandir('d')]",
}


@pytest.mark.parametrize("what", READ_LAST)
def test_a_cell_that_asks_when_a_file_was_read_last_runs(place: Workspace, what: str) -> None:
    write("a.txt", "1")
    write("d/a", "1")
    cells = ["import os, pathlib", READ_LAST[what]]
    play(place, cells)
    assert play(place, cells).actions[-1] == "replay"


# -- what another program puts in the place of what the cell wrote -----------------------------------------------------

WRITES = {
    "a new file": "n = open('out.txt', 'w').write('1')",
    "one that was there": "n = open('was.txt', 'w').write('1')",
    "one added to": "n = open('was.txt', 'a').write('1')",
    "renamed": "n = open('t.txt', 'w').write('1')\nm = os.replace('t.txt', 'out.txt')",
    "of a path": "n = pathlib.Path('out.txt').write_text('1')",
}


@pytest.mark.parametrize("what", WRITES)
def test_what_another_program_puts_in_the_place_of_a_written_file_is_none_of_the_cell_s(
    place: Workspace, what: str
) -> None:
    write("was.txt", "0")
    write("b.txt", "22")
    path = "was.txt" if "was" in WRITES[what] else "out.txt"
    cells = ["import os, pathlib, time", f"{WRITES[what]}\n{WAITS}"]
    first = play_with_another(place, cells, f"cp b.txt c.txt; mv c.txt {path}")
    assert Path(path).read_text() == "22"
    assert first.records[-1]["files_written"][path] == "changed"
    # Then the cell writes its own again
    write("was.txt", "0")
    assert play_with_another(place, cells, "true").actions[-1] == "replay"
    assert Path(path).read_text() in ("1", "01")


READS_AGAIN: dict[str, Callable[[], object]] = {
    "a new file": lambda: None,
    "one that was there": lambda: write("out.txt", "0"),
}


@pytest.mark.parametrize("how", ["x = open('out.txt').read()", "n = open('out.txt', 'a').write('3')"])
@pytest.mark.parametrize("what", READS_AGAIN)
def test_a_file_that_another_program_replaced_is_read_although_the_cell_wrote_it(
    place: Workspace, what: str, how: str
) -> None:
    READS_AGAIN[what]()
    write("b.txt", "22")
    cells = ["import os, time", f"n = open('out.txt', 'w').write('1')\n{WAITS}\n{how}"]
    first = play_with_another(place, cells, "mv b.txt out.txt")
    assert first.space.get("x", "22") == "22" and Path("out.txt").read_text() in ("22", "223")
    assert not first.records[-1]["key"]


REPLACES_ITSELF = {
    "removed": "n = open('a.txt', 'w').write('1')\nos.remove('a.txt')\nn = open('a.txt', 'w').write('2')",
    "renamed": "n = open('t.txt', 'w').write('1')\nm = os.replace('t.txt', 'a.txt')",
    "moved": "n = open('t.txt', 'w').write('1')\nm = shutil.move('t.txt', 'a.txt')",
    "copied": "n = open('t.txt', 'w').write('1')\nm = shutil.copy('t.txt', 'a.txt')",
    "linked": "n = open('t.txt', 'w').write('1')\nm = os.link('t.txt', 'a.txt')",
    "written twice": (
        "n = open('a.txt', 'w').write('1')\nn = open('t.txt', 'w').write('1')\nm = os.replace('t.txt', 'a.txt')"
    ),
    "in a folder that is moved": (
        "m = os.makedirs('t')\nn = open('t/a', 'w').write('1')\nm = shutil.move('t', 'u')\n"
        "n = open('a.txt', 'w').close()"
    ),
}


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("what", REPLACES_ITSELF)
def test_a_file_that_the_cell_itself_replaces_is_its_own(place: Workspace, what: str, there: bool) -> None:
    if there and what != "linked":
        write("a.txt", "0")
    cells = ["import os, shutil", REPLACES_ITSELF[what]]
    session = play(place, cells)
    assert session.records[-1]["files_written"]["a.txt"] not in ("changed", "missing")
