"""A warm kernel is like a fresh one: what it sees, how it ends, what it shares with others (nothing)."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import papermill
import psutil
import pytest

from jupyter_mlops.engine import kernel_start
from jupyter_mlops.engine.notebook_execution import KernelDiedError
from jupyter_mlops.workspace import Workspace
from tests.pipelines.notebooks import outputs_text, write_notebook

from .conftest import WarmKernels, eventually

#: What a kernel can see of its surroundings, as JSON.
LOOK = """
import json, os, resource, signal, sys, threading
import numpy, multiprocessing, threadpoolctl
from IPython import get_ipython
handlers = {int(n): str(signal.getsignal(n)).partition(' at ')[0] for n in signal.valid_signals()}
print(json.dumps({
    "path": sys.path, "argv": [os.path.basename(a) for a in sys.argv][:2], "flags": str(sys.flags),
    "main": [type(sys.modules["__main__"]).__name__, sorted(n for n in vars(sys.modules["__main__"]) if n[0] != "_")],
    "environment": {k: v for k, v in os.environ.items() if k != "JPY_PARENT_PID"},
    "handlers": handlers, "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "cwd": os.getcwd(), "umask": os.umask(0o22), "leads": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
    "cpus": sorted(os.sched_getaffinity(0)), "stdin": os.read(0, 10).decode(),
    "threads": sorted(t.name.rstrip("0123456789") for t in threading.enumerate()),
    "pools": sorted((p["internal_api"], p["num_threads"]) for p in threadpoolctl.threadpool_info()),
    "extensions": sorted(get_ipython().extension_manager.loaded),
    "ours": [n for n in sys.modules if "jupyter_mlops" in n],
    "process": [multiprocessing.current_process().name, multiprocessing.parent_process()],
    "hist": get_ipython().history_manager.hist_file,
}, default=str))
"""


@pytest.fixture(scope="module")
def module_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.init(tmp_path_factory.mktemp("warm kernels"))


IMPORTS = ("numpy", "matplotlib.pyplot", "torch", "tqdm.auto", "ipywidgets", "sklearn.linear_model")


@pytest.fixture(scope="module")
def kernels(module_workspace: Workspace) -> Iterator[WarmKernels]:
    made = WarmKernels(module_workspace, imports=IMPORTS)
    made.prepare(*IMPORTS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def environment(kernels: WarmKernels) -> dict[str, str]:
    """The environment in which the template was made."""
    return dict(os.environ)


@pytest.fixture(autouse=True)
def _as_the_template_was_made(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what libraries that other tests loaded in between have set: the template would not fit."""
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


class Executor:
    """Executes notebooks on warm or fresh kernels with papermill."""

    def __init__(self, folder: Path, kernels: WarmKernels):
        self.folder = folder
        self.kernels = kernels
        self.number = 0

    def __call__(self, *cells: str, warm: bool = True, cwd: Path | None = None, **options: Any) -> Path:
        self.number += 1
        out = self.folder / f"{self.number}.ipynb"
        cwd = cwd or self.folder
        manager = kernel_start.start_kernel("python3", cwd, warm=self.kernels.workspace.state if warm else None)
        assert (manager.provisioner.__class__.__name__ == "WarmProvisioner") is warm
        if warm:
            assert manager.provisioner.loaded is not None, "it is a fresh kernel"
        source = write_notebook(self.folder / "in.ipynb", *cells)
        papermill.execute_notebook(
            source, out, engine_name="jupyter_mlops", progress_bar=False, cwd=cwd, km=manager, **options
        )
        return out


@pytest.fixture
def execute(tmp_path: Path, kernels: WarmKernels) -> Executor:
    return Executor(tmp_path, kernels)


def test_a_warm_kernel_sees_what_a_fresh_one_sees(execute: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_STEP", "of this test")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("JPY_SESSION_NAME", "x")

    warm, fresh = (json.loads(outputs_text(execute(LOOK, warm=kind))) for kind in (True, False))

    assert set(warm) == set(fresh)
    for name in ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"):  # set by scikit-learn as it is imported
        for each in (warm, fresh):
            each["environment"].pop(name, None)
    pools = dict(warm.pop("pools"))
    assert {name: pools[name] for name in dict(fresh.pop("pools"))} == {"openblas": 1}
    assert set(pools.values()) == {1}
    for what in fresh:
        assert warm[what] == fresh[what], what


def test_threads_are_those_of_the_machine_unless_the_step_says_otherwise(execute: Executor) -> None:
    count = (
        "import threadpoolctl, torch\n"
        "print({p['num_threads'] for p in threadpoolctl.threadpool_info()}, torch.get_num_threads())"
    )

    assert outputs_text(execute(count)) == outputs_text(
        execute("import numpy, sklearn.linear_model\n" + count, warm=False)
    )


def test_random_numbers_are_drawn_anew(execute: Executor) -> None:
    draw = (
        "import random, numpy, torch, multiprocessing\n"
        "print(random.random(), numpy.random.rand(), numpy.random.default_rng().random(), torch.rand(1).item(), "
        "bytes(multiprocessing.current_process().authkey).hex())"
    )
    first, second = (outputs_text(execute(draw)).split() for _ in range(2))

    assert len(first) == 5
    assert [a for a, b in zip(first, second, strict=True) if a == b] == []


def test_a_plot_a_progress_bar_and_a_widget_are_shown_as_in_a_fresh_kernel(execute: Executor) -> None:
    cells = (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nNone",
        "from tqdm.auto import tqdm\nprint(tqdm.__module__)\nlist(tqdm(range(3), disable=True))",
        "import ipywidgets\nout = ipywidgets.Output()\ndisplay(ipywidgets.IntSlider(5))\n"
        "with out: print('caught')\nout",
        "%matplotlib inline\nplt.plot([1]);",
    )

    def seen(out: Path) -> list[Any]:
        content = json.loads(out.read_text())
        kinds = [
            [(o["output_type"], sorted(o.get("data", {})), o.get("name")) for o in cell["outputs"]]
            for cell in content["cells"]
        ]
        widgets = content["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
        return [kinds, sorted(widget["model_name"] for widget in widgets), content["cells"][1]["outputs"]]

    warm, fresh = (seen(execute(*cells, warm=kind)) for kind in (True, False))

    assert warm == fresh
    assert warm[0][0] == [("display_data", ["image/png", "text/plain"], None)]


def test_what_a_kernel_does_stays_in_it(execute: Executor) -> None:
    mess = (
        "import os, sys, numpy, warnings\nnumpy.pi = 3\nos.environ['LEFT'] = 'behind'\nos.chdir('/')\n"
        "sys.modules['json'] = None\nsys.path.insert(0, '/nowhere')\nwarnings.simplefilter('error')\nx = 1"
    )
    execute(mess)
    said = outputs_text(
        execute(
            "import os, sys, numpy, json\n"
            "print(numpy.pi > 3.1, 'LEFT' in os.environ, '/nowhere' in sys.path, 'x' in globals())"
        )
    )

    assert said.split() == ["True", "False", "False", "False"]


def test_multiprocessing_works_in_each_way(execute: Executor) -> None:
    (execute.folder / "work.py").write_text("def double(x): return 2 * x")
    said = outputs_text(
        execute(
            "import multiprocessing, work\nfor way in ('fork', 'spawn', 'forkserver'):\n"
            "    with multiprocessing.get_context(way).Pool(2) as pool: print(way, pool.map(work.double, [1, 2]))",
            "import numpy, torch\na = numpy.random.rand(500, 500)\nb = torch.ones(300, 300)\n"
            "print((a @ a).shape, torch.mm(b, b).shape)",
            "from sklearn.linear_model import LogisticRegression\nfrom joblib import Parallel, delayed\n"
            "print(Parallel(2)(delayed(abs)(n) for n in (-1, -2)))\n"
            "LogisticRegression().fit(a[:50], a[:50, 0] > 0.5)\nNone",
        )
    )

    assert "fork [2, 4]\nspawn [2, 4]\nforkserver [2, 4]" in said
    assert "(500, 500)" in said
    assert "[1, 2]" in said


def test_limits_of_the_notebooks_process_hold(execute: Executor) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] // 2, before[1]))
    try:
        said = outputs_text(execute("import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert said.strip() == str(before[0] // 2)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        (
            "import os, signal\nsignal.signal(signal.SIGSEGV, signal.SIG_DFL)\nos.kill(os.getpid(), signal.SIGSEGV)",
            "SIGSEGV",
        ),
        ("import os\nos._exit(7)", "exit code 7"),
    ],
)
def test_how_it_ended_is_told(execute: Executor, code: str, said: str) -> None:
    with pytest.raises(KernelDiedError, match=said):
        execute(code)


def test_a_killed_template_takes_its_kernels_along(make_warm: Callable[..., WarmKernels], tmp_path: Path) -> None:
    made = make_warm()
    template = made.prepare()
    manager = kernel_start.start_kernel("python3", tmp_path, warm=made.workspace.state)
    process = manager.provisioner.process
    assert psutil.Process(process.pid).ppid() == template["pid"]

    os.kill(template["pid"], signal.SIGKILL)

    assert process.wait(10) == -signal.SIGKILL
    eventually(lambda: not psutil.pid_exists(process.pid))
    made.pool.tidy()
    assert made.prepare()["pid"] != template["pid"]  # and another one is made


def test_a_kernel_outlives_the_worker_that_offered_it_and_its_template_ends_after_it(
    make_warm: Callable[..., WarmKernels], tmp_path: Path
) -> None:
    made = make_warm()
    template = made.prepare()
    manager = kernel_start.start_kernel("python3", tmp_path, warm=made.workspace.state)
    process = manager.provisioner.process

    made.pool.close()  # as the end of the worker does

    time.sleep(0.5)
    assert process.poll() is None
    assert kernel_start.start_kernel("python3", tmp_path, warm=made.workspace.state).provisioner.loaded is None
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    eventually(lambda: psutil.Process(template["pid"]).status() == psutil.STATUS_ZOMBIE)  # it is this process's child


def test_python_flags_and_other_kernels_are_not_confused(kernels: WarmKernels, tmp_path: Path) -> None:
    from jupyter_mlops.engine.warm.provisioner import _ipykernel

    assert _ipykernel([sys.executable, "-m", "ipykernel_launcher", "-f", "x"]) == ([sys.executable], ["-f", "x"])
    assert _ipykernel(["p", "-Xfrozen_modules=off", "-m", "ipykernel_launcher"])[0] == ["p", "-Xfrozen_modules=off"]
    for other in (["R", "--slave"], ["p", "-I", "-m", "ipykernel_launcher"], ["p", "-m", "bash_kernel"], ["p", "-m"]):
        assert _ipykernel(other) == (None, [])
