"""The ground floor: workspaces, their settings, containment of paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from jupyter_mlops.config import Config, default_config_text, load_config, resolve_secret
from jupyter_mlops.context import NOTEBOOK_VARIABLE, current
from jupyter_mlops.errors import (
    ConfigError,
    ConflictError,
    InvalidInputError,
    NotAWorkspaceError,
    PathError,
    ReadOnlyError,
)
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace


def test_init_writes_settings_state_and_git_ignore_line(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.csv")
    workspace = Workspace.init(tmp_path)
    assert tomllib.loads((tmp_path / "mlops.toml").read_text(encoding="utf-8"))["workspace"]["name"] == tmp_path.name
    assert (tmp_path / ".mlops").is_dir()
    assert (tmp_path / ".gitignore").read_text() == "*.csv\n.mlops/\n"
    assert workspace.name == tmp_path.name


def test_init_does_not_repeat_the_ignore_line(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("/.mlops\n")
    Workspace.init(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "/.mlops\n"


def test_init_twice_says_so_and_changes_nothing(workspace: Workspace) -> None:
    before = (workspace.root / "mlops.toml").read_bytes()
    with pytest.raises(ConflictError, match="already"):
        Workspace.init(workspace.root)
    assert (workspace.root / "mlops.toml").read_bytes() == before


@pytest.mark.parametrize("name", ["a\nb", "x" * 201, "\x00"])
def test_init_refuses_names_that_can_not_be_shown(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError):
        Workspace.init(tmp_path / "w", name=name)
    assert not (tmp_path / "w" / "mlops.toml").exists()


@pytest.mark.parametrize("name", ['a "quoted" name', "back\\slash", "日本 – ü", "100%"])
def test_any_printable_name_survives_the_file(tmp_path: Path, name: str) -> None:
    assert Workspace.init(tmp_path, name=name).name == name


def test_the_default_file_shows_every_setting_at_its_default(tmp_path: Path) -> None:
    text = default_config_text("x").replace("\n# ", "\n")  # take the comment signs away from the settings
    settings = "\n".join(line for line in text.split("\n") if line.startswith("[") or " = " in line.split("`")[0])
    shown = tomllib.loads(settings)
    assert Config.model_validate(shown) == Config.model_validate({"workspace": {"name": "x"}})
    assert {s: set(v) for s, v in shown.items()} == {
        s: set(f.annotation.model_fields) for s, f in Config.model_fields.items() if f.annotation
    }


def test_found_upwards_from_a_notebooks_folder(workspace: Workspace) -> None:
    deep = workspace.root / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "n.ipynb").write_text("{}")
    assert Workspace.find(deep) == workspace
    assert Workspace.find(deep / "n.ipynb") == workspace


def test_the_environment_names_the_workspace(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.chdir("/")
    assert Workspace.find() == workspace
    monkeypatch.setenv(WORKSPACE_VARIABLE, "/nonexistent")
    with pytest.raises(NotAWorkspaceError):
        Workspace.find()


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotAWorkspaceError, match="mlops init"):
        Workspace.find(tmp_path)


def test_moving_the_folder_breaks_nothing(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "n.ipynb").write_text("{}")
    stored = workspace.relative(workspace.root / "n.ipynb")
    moved = shutil.move(workspace.root, tmp_path / "elsewhere")
    assert Workspace.find(moved).resolve(stored).read_text() == "{}"
    assert str(tmp_path) not in (Path(moved) / "mlops.toml").read_text(encoding="utf-8")


# -- hostile paths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\0b", "link/secret", "a/./../../flüge"])
def test_paths_that_leave_the_workspace_are_refused(workspace: Workspace, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (workspace.root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(PathError):
        workspace.resolve(path)


@pytest.mark.parametrize("path", ["", ".", "a/b.ipynb", "ü ü/100%.ipynb", "a/../b", "..."])
def test_paths_inside_are_resolved(workspace: Workspace, path: str) -> None:
    assert workspace.resolve(path).is_relative_to(workspace.root)


# -- broken settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("[workspace]\nname = \n", 2, 8, "Invalid value"),
        ('[workspace]\nname = "x', 2, 10, ""),
        ("[workspace]\n\n[engine]\n  parallel_steps = 0\n", 4, 3, "greater than or equal to 1"),
        ("[engine]\nparalel_steps = 3\n", 2, 1, "Known here: parallel_steps"),
        ("[engin]\nx = 1\n", 1, 1, "no setting 'engin'"),
        ("engine.attempts = 'many'\n", 1, 1, "valid integer"),
        ("\n\n  [workspace\n", 3, 13, ""),
        ("[serving]\nport = 70000", 2, 1, "65535"),
        ("[workspace]\n[workspace]\n", 2, 11, ""),
    ],
)
def test_a_corrupt_file_is_named_with_line_and_column(
    workspace: Workspace, text: str, line: int, column: int, says: str
) -> None:
    file = workspace.root / "mlops.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert caught.value.details == {"file": "mlops.toml", "line": line, "column": column}
    assert f"line {line}, column {column}" in caught.value.what
    assert says in caught.value.why


def test_a_file_that_is_not_text(workspace: Workspace) -> None:
    (workspace.root / "mlops.toml").write_bytes(b"[workspace]\nname = '\xff'\n")
    with pytest.raises(ConfigError) as caught:
        _ = workspace.config
    assert (caught.value.details["line"], caught.value.details["column"]) == (2, 9)


def test_an_empty_file_is_valid(workspace: Workspace) -> None:
    (workspace.root / "mlops.toml").write_text("")
    assert workspace.config == Config()
    assert workspace.name == workspace.root.name


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_TEST_URL", "postgresql+psycopg://x")
    assert resolve_secret("env:MLOPS_TEST_URL") == "postgresql+psycopg://x"
    monkeypatch.delenv("MLOPS_TEST_URL")
    with pytest.raises(InvalidInputError, match="MLOPS_TEST_URL"):
        resolve_secret("env:MLOPS_TEST_URL")


# -- where nothing can be written ----------------------------------------------------------------------------------


def test_a_read_only_folder(tmp_path: Path) -> None:
    """Run as an ordinary user: root may write everywhere."""
    folder = tmp_path / "ro"
    folder.mkdir()
    folder.chmod(0o555)
    if os.geteuid() != 0:
        with pytest.raises(ReadOnlyError, match="can't be written"):
            Workspace.init(folder)
    else:
        for parent in tmp_path.parents:
            if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
        tmp_path.chmod(0o755)
        code = (
            "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "from jupyter_mlops.workspace import Workspace\n"
            "from jupyter_mlops.errors import ReadOnlyError\n"
            "try: Workspace.init(sys.argv[1])\n"
            "except ReadOnlyError as error: print(error)\n"
        )
        preloaded = "import jupyter_mlops.workspace, jupyter_mlops.config, jupyter_mlops.errors\n" + code
        done = subprocess.run([sys.executable, "-c", preloaded, str(folder)], capture_output=True, text=True)
        assert "can't be written" in done.stdout, done.stderr
    assert list(folder.iterdir()) == []


# -- context -------------------------------------------------------------------------------------------------------


def test_context_travels_through_the_environment(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_mlops.context import ExecutionContext

    sent = ExecutionContext(workspace, notebook="n ü.ipynb", pipeline_run_id="p1", step="train", attempt=2)
    for name, value in sent.environment().items():
        monkeypatch.setenv(name, value)
    assert current() == sent
    assert current().step_key == "p1/train"
    assert current().tags() == {
        "mlops.notebook": "n ü.ipynb",
        "mlops.pipeline_run": "p1",
        "mlops.step": "train",
        "mlops.attempt": "2",
    }


def test_an_interactive_kernel_knows_its_notebook(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace.root / "sub").mkdir()
    (workspace.root / "sub" / "n.ipynb").write_text("{}")
    monkeypatch.chdir(workspace.root / "sub")
    monkeypatch.setenv("JPY_SESSION_NAME", str(workspace.root / "sub" / "n.ipynb"))
    assert current().notebook == "sub/n.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "sub/n.ipynb")
    assert current().notebook == "sub/n.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "some-uuid")
    assert current().notebook == ""
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "given.ipynb")
    assert current().notebook == "given.ipynb"


def test_the_package_imports_no_heavy_library() -> None:
    code = (
        "import sys, jupyter_mlops, jupyter_mlops.context\n"
        "heavy = {'pydantic', 'sqlalchemy', 'mlflow', 'torch', 'pandas', 'numpy', 'dbos', 'papermill', 'click'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_databases_lie_in_the_workspace_whatever_its_name(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "50%40 was? #é")
    for url in (workspace.database_url, workspace.engine_database_url):
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE here (a)")
        engine.dispose()
    assert {file.name for file in workspace.state.iterdir()} >= {"mlops.db", "engine.db"}
