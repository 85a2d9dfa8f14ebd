"""The command line as a program: lazy, truthful exit codes, errors in three parts."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jupyter_mlops.cli import COMMANDS
from jupyter_mlops.errors import ConfigError
from jupyter_mlops.terminal import say_error


def mlops(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``mlops`` as a person would."""
    return subprocess.run([sys.executable, "-m", "jupyter_mlops", *arguments], cwd=cwd, capture_output=True, text=True)


def test_help_lists_every_command_and_imports_no_area(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['mlops', '--help']\n"
        "from jupyter_mlops.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted(m for m in sys.modules if m.startswith('jupyter_mlops.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert (
        done.stderr.strip()
        == "['jupyter_mlops.cli', 'jupyter_mlops.errors', 'jupyter_mlops.i18n', 'jupyter_mlops.terminal']"
    )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_exists_and_says_what_it_does(name: str) -> None:
    module, attribute, help_text = COMMANDS[name]
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert help_text.endswith(".")
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    for each in commands:
        assert each.help, f"{each.name} has no help"
        for parameter in each.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.help, f"{each.name} {parameter.opts} has no help"


@pytest.mark.parametrize("command", ["models list", "runs list", "pipeline list", "endpoints list", "worker status"])
def test_outside_a_workspace_each_command_says_how_to_make_one(tmp_path: Path, command: str) -> None:
    done = mlops(*command.split(), cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "mlops init" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert mlops("nonsense", cwd=tmp_path).returncode == 2
    assert mlops("init", "--nonsense", cwd=tmp_path).returncode == 2


def test_a_corrupt_file_is_named_with_line_and_column(tmp_path: Path) -> None:
    assert mlops("init", ".", cwd=tmp_path).returncode == 0
    (tmp_path / "mlops.toml").write_text("[engine]\nparallel_steps = = 2\n")
    done = mlops("runs", "list", cwd=tmp_path)
    assert done.returncode == 1
    assert "mlops.toml, line 2, column 18" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_said_in_three_parts() -> None:
    assert say_error(ConfigError("What.", why="Why.", next="Next.")).split("\n") == [
        "Error: What.",
        "  Why.",
        "  → Next.",
    ]


def test_status_of_a_repository_without_a_commit_says_so(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "trunk"], cwd=tmp_path, check=True)
    assert mlops("init", cwd=tmp_path).returncode == 0
    shown = mlops("status", cwd=tmp_path)
    assert "git       trunk, no commit yet" in shown.stdout
