"""A project with a notebook that ran in a real kernel: a local module, a table, a seeded model, a tracked run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyter_mlops import environment
from jupyter_mlops.context import NOTEBOOK_VARIABLE
from jupyter_mlops.engine.kernel_ports import choose_ports
from jupyter_mlops.environment import SOURCES_ARTIFACT, TAG_ENVIRONMENT
from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.tracking.run import run as tracked
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunQuery
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace
from tests.versioning.conftest import Repo

from .small_packages import lock_of, wheel

MODULE = "def feature(values):\n    return [2 * each for each in values]\n"
TABLE = "x,y\n" + "".join(f"{n},{3 * n + 1}\n" for n in range(40))
#: The notebook as it was executed, in this order.
CELLS = [
    "import csv, random\nimport mlflow\nimport jupyter_mlops as mlops\nimport util",
    "rows = [(float(r['x']), float(r['y'])) for r in csv.DictReader(open('data/table.csv'))]",
    "random.seed(7)",
    "noise = [random.random() for _ in rows]",
    "xs = util.feature([x for x, _ in rows])",
    "slope = sum(x * y for x, (_, y) in zip(xs, rows)) / sum(x * x for x in xs) + noise[0]",
    "with mlops.run('fit', params={'rows': len(rows)}) as r:\n    mlflow.log_metric('slope', slope)",
]


class Notebook:
    """A notebook in a kernel of its own, with recording on, as a person runs it."""

    def __init__(self, workspace: Workspace, path: str = "train.ipynb", env: dict[str, str] | None = None):
        self.workspace, self.path = workspace, path
        environment = {**os.environ, WORKSPACE_VARIABLE: str(workspace.root), NOTEBOOK_VARIABLE: path, **(env or {})}
        self._manager = KernelManager(kernel_name="python3")
        choose_ports(self._manager)
        extension = "--IPKernelApp.extra_extensions=jupyter_mlops"
        arguments = ["--HistoryManager.hist_file=:memory:", extension]
        self._manager.start_kernel(cwd=str(workspace.root), env=environment, extra_arguments=arguments)
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, *cells: str, fails: bool = False) -> None:
        for cell in cells:
            message = self._client.execute(cell)
            reply = self._client.get_shell_msg(timeout=120)
            while reply["parent_header"]["msg_id"] != message:
                reply = self._client.get_shell_msg(timeout=120)
            assert (reply["content"]["status"] == "error") == fails, reply["content"]

    def close(self) -> None:
        if self._manager.has_kernel:
            self._client.stop_channels()
            self._manager.shutdown_kernel()


class Run:
    """Runs cells in new kernels."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self.opened: list[Notebook] = []

    def __call__(self, *cells: str) -> str:
        """Run cells that succeed; return the id of the run that they tracked."""
        return self.interactive(*((cell, False) for cell in cells))

    def interactive(self, *cells: tuple[str, bool]) -> str:
        """Run cells, each with whether it is to fail."""
        notebook = Notebook(self.workspace)
        self.opened.append(notebook)
        for cell, fails in cells:
            notebook.run(cell, fails=fails)
        notebook.close()
        return newest_run(self.workspace)


@pytest.fixture
def project(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Repo:
    """The workspace as a repository with uncommitted work in it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    repo = Repo(workspace.root).init()
    repo.write("util.py", "def feature(values):\n    raise NotImplementedError\n")
    repo.write("train.ipynb", notebook_file(CELLS))
    repo.commit()
    repo.write("util.py", MODULE)  # not committed: what an ordinary git history does not have
    repo.write("data/table.csv", TABLE)
    return repo


def notebook_file(cells: list[str]) -> str:
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    node.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return nbformat.writes(node)


def newest_run(workspace: Workspace) -> str:
    return TrackingService(workspace).runs(RunQuery(max_results=1)).items[0].id


@pytest.fixture
def run_cells(workspace: Workspace, project: Repo) -> Iterator[Run]:
    """Runs cells in a new kernel and returns the id of the run that they tracked."""
    made = Run(workspace)
    yield made
    for each in made.opened:
        each.close()


@pytest.fixture
def service(workspace: Workspace) -> ReproductionService:
    return ReproductionService(workspace)


# -- environments --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: two versions of one package, one of others."""
    folder = tmp_path_factory.mktemp("index")
    for name, version in (("alpha", "1.0"), ("alpha", "2.0"), ("beta.tools", "0.1"), ("gamma", "3")):
        wheel(folder, name, version)
    launcher = {"ipykernel_launcher.py": "import alpha; print(alpha.version)\n"}
    wheel(folder, "ipykernel", "1", launcher)
    return folder


@pytest.fixture(scope="session")
def lock(index: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What an environment with packages of the index says of itself."""
    wanted = ("alpha==1.0", "beta.tools==0.1", "gamma==3")
    return lock_of(tmp_path_factory.mktemp("then"), "--find-links", str(index), *wanted)


@pytest.fixture
def offline(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the folder is asked, by installers that have no settings of this machine's."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(index))


@pytest.fixture
def run_id(workspace: Workspace, project: Repo, lock: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose record says that it was made in the small environment."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    with tracked("script") as made:
        pass
    has_environment(workspace, made.id, lock, "")
    return made.id


def has_environment(workspace: Workspace, run_id: str, lock: str, sources: str) -> None:
    digest = environment.hash_of(lock)
    (workspace.state / "environments" / f"{digest}.txt").write_text(lock)
    client = TrackingService(workspace).client()
    client.set_tag(run_id, TAG_ENVIRONMENT, digest)
    client.log_text(run_id, sources, SOURCES_ARTIFACT)
