"""Cells are taken only where what they did was heard: files, questions and connections, from each thread."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from jupyter_mlops.cells import file_digests, left_out
from jupyter_mlops.cells.file_digests import FileDigests
from jupyter_mlops.cells.questions import Questions
from jupyter_mlops.workspace import Workspace

from .sessions import Session, fresh_workspace, play


@pytest.fixture
def place() -> Iterator[Workspace]:
    with fresh_workspace() as made:
        yield made


def test_files_that_many_threads_read_at_once_are_all_heard(place: Workspace) -> None:
    for number in range(200):
        Path(f"f{number}.txt").write_text(str(number))
    read = "from concurrent.futures import ThreadPoolExecutor\ndef read(i):\n    return open(f'f{i}.txt').read()"
    cells = [read, "with ThreadPoolExecutor(4) as pool:\n    x = list(pool.map(read, range(200)))\ndel pool"]
    first = play(place, cells)
    assert len(first.records[-1]["files_read"]) == 200
    Path("f199.txt").write_text("other")
    again = play(place, cells)
    assert again.actions == ["take", "replay"]
    assert again.space["x"][199] == "other"


#: A worker that an earlier cell has started.
_WORKER = (
    "import queue, threading\nasked, told = queue.Queue(), queue.Queue()\n"
    "def work():\n    while (name := asked.get()):\n        told.put(open(name + '.txt').read())\n"
    "threading.Thread(target=work, daemon=True).start()"
)


def test_a_thread_of_an_earlier_cell_is_heard(place: Workspace) -> None:
    Path("b.txt").write_text("1")
    session = play(place, [_WORKER, "asked.put('b')\nx = told.get()", "asked.put('')"], cached=False)
    assert session.records[1]["files_read"].keys() == {"b.txt"}


def test_a_connection_over_a_local_socket_is_network(place: Workspace) -> None:
    serve = (
        "import socket, threading\nserver = socket.socket(socket.AF_UNIX)\nserver.bind('db.sock')\nserver.listen()\n"
        "def answer():\n    server.accept()[0].sendall(b'1')\nthreading.Thread(target=answer, daemon=True).start()"
    )
    session = play(
        place,
        [serve, "with socket.socket(socket.AF_UNIX) as s:\n    s.connect('db.sock')\n    x = s.recv(9)"],
        cached=False,
    )
    assert session.records[-1]["network"] == ["db.sock"]
    assert not session.records[-1]["key"]


def test_a_request_over_a_connection_that_is_open_is_network(place: Workspace) -> None:
    serve = (
        "import http.client, http.server, threading\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n        self.send_header('Content-Length', '0')\n        self.end_headers()\n"
        "    def log_message(self, *args):\n        pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "link = http.client.HTTPConnection('127.0.0.1', server.server_port)\nlink.connect()"
    )
    session = play(
        place,
        [serve, "link.request('GET', '/')\nx = link.getresponse().status", "link.close()\nserver.shutdown()"],
        cached=False,
    )
    assert session.space["x"] == 200
    assert session.records[1]["network"] == ["127.0.0.1"]
    session.space["server"].server_close()


def test_questions_about_files_leave_the_functions_what_they_are(place: Workspace) -> None:
    Path("a.txt").write_text("12")
    session = play(
        place,
        [
            "import copy, os, pickle\nstat = pickle.loads(pickle.dumps(os.stat))\nx = os.stat('a.txt').st_size",
            "same = copy.deepcopy(os.access) == os.access\nable = os.stat in os.supports_fd, hash(os.lstat)",
            "z = os.path.exists('b.txt')",
        ],
        cached=False,
    )
    assert session.space["stat"] is os.stat
    assert session.space["same"]
    assert session.space["able"] == (os.stat in os.supports_fd, hash(os.lstat))
    assert [each["files_read"] for each in session.records[1:]] == [{}, {"b.txt": "missing"}]
    assert all(each["key"] for each in session.records)


def test_a_question_repeated_is_heard_once(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is asked in a loop must not be looked at each time: that costs many times the question itself
    heard: list[object] = []
    ask = Questions.ask

    def listening(self: Questions, path: object, asking: FrameType, question: str) -> None:
        heard.append(path)
        ask(self, path, asking, question)

    monkeypatch.setattr(Questions, "ask", listening)
    session = play(place, ["import os", "any(map(os.path.exists, ['nothing'] * 1_000))"], cached=False)
    assert heard.count("nothing") == 1 and session.records[1]["files_read"] == {"nothing": "missing"}


def test_relative_names_are_heard_again_in_another_folder(place: Workspace) -> None:
    Path("sub").mkdir()
    session = Session(place, cached=False)
    try:
        session.run("import os\nx = os.path.exists('a'); os.chdir('sub'); y = os.path.exists('a')")
    finally:
        os.chdir(place.root)
    assert session.records[0]["files_read"] == {"a": "missing", "sub/a": "missing"}


@pytest.fixture
def project() -> Iterator[str]:
    left_out.follow("/home/me/project", "/home/me/project/a.ipynb")
    yield "/home/me/project"
    left_out.follow("", "")


@pytest.mark.parametrize(
    "path",
    [
        "/usr/src/app/data.csv",
        "/usr/local/share/data/x.csv",
        "/usr/share/nltk_data/x.txt",
        "/library/x.csv",
        "/libs/x.csv",
        "/run/media/me/USB/x.csv",
        "/etc/app/config.yaml",
        "/dev/shm/x.csv",
        "/data/ipykernel_notes.csv",
        "/data/site-packages-2024.csv",
        "/data/__pycache__.csv",
        "~/.local/share/app/x.csv",
        "~/.config/app/x.toml",
        "/home/me/project/x.csv",
        "/home/me/project/lib/python/x.csv",
        "/home/me/project/.gitignore",
        "/home/me/project/b.ipynb",
    ],
)
def test_what_people_keep_anywhere_is_theirs(project: str, path: str) -> None:
    assert not left_out.is_left_out(str(Path(path).expanduser()))


@pytest.mark.parametrize(
    "path",
    [
        "/proc/cpuinfo",
        "/etc/hosts",
        "/etc/ssl/openssl.cnf",
        "/usr/share/zoneinfo/Europe/Berlin",
        "/usr/lib/x.so",
        os.__file__,
        str(Path(os.__file__).parent.parent / "python311.zip"),
        pytest.__file__,
        left_out.__file__,
        f"{tempfile.gettempdir()}/ipykernel_12/34.py",
        f"{tempfile.gettempdir()}/mlops-values-x/a",
        "/home/me/project/a.ipynb",
        "/home/me/project/<unknown>",
        "/home/me/project/.mlops/mlflow.db",
        "/home/me/project/.git/HEAD",
        "/home/me/project/package/__pycache__/a.pyc",
        "~/.cache/matplotlib/fontlist.json",
        "~/.config/matplotlib/matplotlibrc",
    ],
)
def test_what_is_the_systems_or_ours_is_left_out(project: str, path: str) -> None:
    assert left_out.is_left_out(str(Path(path).expanduser()))


def test_an_environment_made_in_the_project_leaves_the_projects_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in ("prefix", "exec_prefix"):
        monkeypatch.setattr(sys, prefix, "/home/me/project")
    left_out.follow("/home/me/project", "")
    try:
        assert not left_out.is_left_out("/home/me/project/data.csv")
        assert left_out.is_left_out("/home/me/project/lib/python3.11/site-packages/a.py")
        for prefix in ("prefix", "exec_prefix"):
            monkeypatch.setattr(sys, prefix, "/home/me/project/.venv")
        left_out.follow("/home/me/project", "again")
        assert not left_out.is_left_out("/home/me/project/data.csv")
        assert left_out.is_left_out("/home/me/project/.venv/share/x.json")
    finally:
        left_out.follow("", "")


_TRIES = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("begin immediate")
    print("free")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_a_database_that_is_being_changed_stays_locked(place: Workspace) -> None:
    # Given a transaction that a cell has begun and not ended
    begin = "import sqlite3\ncon = sqlite3.connect('a.db')\ncon.execute('create table t (x)')\ncon.commit()"
    session = play(place, [begin, "con.execute('insert into t values (1)')", "y = 1"], cached=False)
    # When another program wants to change it, Then it can't: the record has left the lock as it was
    found = subprocess.run([sys.executable, "-c", _TRIES, "a.db"], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "database is locked"
    assert "a.db" in session.records[0]["files_written"]
    session.run("con.close()")
    # and the digest is that of its content
    digest = FileDigests().of(str(place.root / "a.db"))
    file_digests.databases.clear()
    assert len(digest) == 32 and digest == FileDigests().of(str(place.root / "a.db"))


def test_a_database_in_use_is_not_opened_once_more(place: Workspace) -> None:
    path = str(place.root / "a.db")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("create table t (x)")
    connection.execute("begin immediate")
    file_digests.databases.add(path)
    try:
        digest = FileDigests().of(path)
        found = subprocess.run([sys.executable, "-c", _TRIES, path], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "database is locked"
    finally:
        file_digests.databases.clear()
        connection.close()
    assert digest == FileDigests().of(path)
