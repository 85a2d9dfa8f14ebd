"""The pool's templates: which one a notebook gets, what they leave out, and when they end."""

from __future__ import annotations

import logging
import os
import socket
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from jupyter_mlops.engine import kernel_start
from jupyter_mlops.engine.warm.imports import environment_key, imported_modules
from jupyter_mlops.engine.warm.pool import ask
from jupyter_mlops.workspace import Workspace

from .conftest import REPOSITORY, WarmKernels, eventually

MakeWarm = Callable[..., WarmKernels]


@pytest.fixture
def environment(tmp_path: Path) -> tuple[str, Path]:
    """A virtual environment of its own that knows this one's packages, too: its python, and where it has its own."""
    venv.create(tmp_path / "venv", symlinks=True)
    packages = next((tmp_path / "venv" / "lib").iterdir()) / "site-packages"
    (packages / "more.pth").write_text(f"{sysconfig.get_path('purelib')}\n{REPOSITORY}\n")
    return str(tmp_path / "venv" / "bin" / "python"), packages


def find(made: WarmKernels, *imports: str) -> dict[str, object]:
    return made.pool.find([sys.executable], os.environ, imports)


def test_a_notebook_gets_what_it_imports_and_nothing_else(make_warm: MakeWarm) -> None:
    made = make_warm(imports=["json"], templates=3)
    made.prepare("json", "decimal")
    assert find(made, "decimal")["loaded"] == ["decimal", "json"]
    assert find(made, "decimal", "fractions")["loaded"] == ["decimal", "json"]  # a part, and another is being made
    assert "being made" in str(find(made)["fresh"])  # not one with decimal loaded

    made.prepare("json", "decimal", "fractions")
    assert find(made, "fractions", "decimal")["loaded"] == ["decimal", "fractions", "json"]


def test_there_are_no_more_templates_than_allowed_and_idle_ones_end(make_warm: MakeWarm) -> None:
    made = make_warm(templates=2, idle_minutes=0.002)
    first = made.prepare("decimal")
    made.prepare("fractions")
    made.prepare("statistics")

    assert [each["imports"] for each in made.pool.templates()] == [["fractions"], ["statistics"]]
    gone = psutil.Process(int(first["pid"]))
    eventually(lambda: gone.status() == psutil.STATUS_ZOMBIE)
    time.sleep(0.2)
    made.pool.tidy()
    assert made.pool.templates() == []


CASES = {
    "threads": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "it starts threads (Thread-",
    ),
    "sockets": ("import socket\nkept = socket.socketpair()", "it keeps files or connections open (socket:"),
    "files": ("kept = open(__file__)", "it keeps files or connections open (/"),
    "processes": ("import os, time\nif not os.fork():\n    time.sleep(60)\n    os._exit(0)", "it starts a process"),
    "shells": (
        "from IPython import get_ipython\nshell = get_ipython()",
        "unkeepable_shells asks for the running IPython",
    ),
    "failing": ("raise RuntimeError('at import')", "it fails with RuntimeError: at import"),
    "exiting": ("raise SystemExit(3)", "it fails with SystemExit: 3"),
    "inside": ("import statistics, unkeepable_files", "it keeps files or connections open"),
}


def test_what_cannot_be_forked_is_left_out_and_the_log_says_why(
    make_warm: MakeWarm, environment: tuple[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    python, packages = environment
    for name, (code, _why) in CASES.items():
        (packages / f"unkeepable_{name}.py").write_text(code)
    (packages / "keepable.py").write_text("from fractions import Fraction")
    names = [f"unkeepable_{name}" for name in CASES]
    made = make_warm()
    with caplog.at_level(logging.INFO, logger="jupyter_mlops.engine.warm.pool"):
        template = made.prepare("keepable", *names, "not_installed_at_all", "pandas", python=python)

    assert template["loaded"] == ["keepable"]
    assert "not_installed_at_all" not in caplog.text
    assert "leave out pandas: it is not in site-packages" in caplog.text  # of that environment
    for name, (_code, why) in CASES.items():
        assert f"Templates leave out unkeepable_{name}: {why}" in caplog.text


def test_a_template_that_crashes_is_given_up_with_its_reason(make_warm: MakeWarm) -> None:
    made = make_warm()
    python = [sys.executable, "-c", "raise SystemExit(9)"]
    made.pool.find(python, os.environ, [])

    eventually(lambda: "exit code 9" in str(made.pool.find(python, os.environ, [])["fresh"]))
    made.prepare()  # others are not concerned


def test_an_installation_makes_templates_stale(make_warm: MakeWarm, tmp_path: Path) -> None:
    made = make_warm()
    old = made.prepare()
    folder = Path(sysconfig.get_path("purelib"))
    (folder / "mlops_stale_test").touch()
    (folder / "mlops_stale_test").unlink()

    manager = kernel_start.start_kernel("python3", tmp_path, warm=made.workspace.state)

    assert manager.provisioner.loaded is None
    manager.provisioner.process.kill()
    eventually(lambda: psutil.Process(int(old["pid"])).status() == psutil.STATUS_ZOMBIE)
    made.pool.tidy()
    assert made.prepare()["pid"] != old["pid"]


def test_another_environment_gets_another_template(make_warm: MakeWarm) -> None:
    made = make_warm()
    made.prepare()
    assert "template" in made.pool.find([sys.executable], {**os.environ, "MLOPS_STEP": "x", "OMP_NUM_THREADS": "3"}, [])
    assert "fresh" in made.pool.find([sys.executable], {**os.environ, "KERAS_BACKEND": "jax"}, [])


def test_without_a_worker_or_with_one_that_was_killed_kernels_are_fresh(workspace: Workspace, tmp_path: Path) -> None:
    assert ask(workspace.state, ["python"], {}, []) == {"fresh": "no worker runs"}
    state = workspace.ensure_state()
    for content in ("", "{}", "[]", '{"socket": "/nowhere"}', '{"socket": 3}'):
        (state / "warm.json").write_text(content)
        assert "does not answer" in ask(state, ["python"], {}, [])["fresh"]
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        (state / "warm.json").write_text(f'{{"socket": "{tmp_path / "s"}"}}')
        assert "does not answer" in ask(state, ["python"], {}, [])["fresh"]


def test_nonsense_sent_to_the_pool_does_not_stop_it(make_warm: MakeWarm) -> None:
    import json

    made = make_warm()
    made.prepare()
    address = json.loads((made.workspace.state / "warm.json").read_text())["socket"]
    for nonsense in (b"", b"\0\0\0\5hello", b"\xff\xff\xff\xff", b"\0\0\0\2{}", b"\0\0"):
        for place in (address, find(made)["template"]):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(place))
                connection.sendall(nonsense)

    assert "template" in ask(made.workspace.state, [sys.executable], dict(os.environ), [])
    manager = kernel_start.start_kernel("python3", made.workspace.root, warm=made.workspace.state)
    assert manager.provisioner.loaded == []
    manager.provisioner.process.kill()
    manager.provisioner.process.wait(10)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a, b.c as d", ["a", "b.c"]),
        ("from a.b import c, d as e", ["a.b", "a.b.c", "a.b.d"]),
        ("from a import *\nfrom . import x\nfrom .y import z", ["a"]),
        ("try:\n    import a\nexcept ImportError:\n    import b", ["a", "b"]),
        ("def f():\n    import a\nclass C:\n    import b", ["b"]),
        ("%pip install x\n!ls\nimport a\n%time import b", ["a"]),
        ("%%bash\nimport a", []),
        ("import a\nx = !ls\nfrom b import c", ["a", "b", "b.c"]),
        ("import jupyter_mlops as mlops", ["jupyter_mlops", "mlflow"]),
        ("import a\n1 +", ["a"]),
        ("\0", []),
    ],
)
def test_imports_are_seen_in_the_code(source: str, names: list[str]) -> None:
    assert imported_modules([source]) == names


def test_only_what_libraries_may_read_counts_in_the_environment() -> None:
    plain = {"PATH": "/bin", "A": "1"}

    assert environment_key({**plain, "MLOPS_NOTEBOOK": "n", "TERM": "xterm", "JPY_X": "1"}) == environment_key(plain)
    assert environment_key({**plain, "A": "2"}) != environment_key(plain)
    assert environment_key({**plain, "TERMINAL": "1"}) != environment_key(plain)
