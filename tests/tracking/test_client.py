"""The way to MLflow from a process that answers in threads."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from jupyter_mlops.workspace import Workspace


def test_threads_that_ask_for_mlflow_at_once_all_get_it(workspace: Workspace) -> None:
    """The first two requests of a browser: importing MLflow in both threads at once once dead-locked."""
    code = (
        "import sys, threading\n"
        "from jupyter_mlops.registry.service import RegistryService\n"
        "from jupyter_mlops.registry.types import ModelQuery\n"
        "from jupyter_mlops.tracking.service import TrackingService, load_mlflow\n"
        "from jupyter_mlops.tracking.types import RunQuery\n"
        "from jupyter_mlops.workspace import Workspace\n"
        "workspace = Workspace(sys.argv[1])\n"
        "together, done = threading.Barrier(4), []\n"
        "def ask(n):\n"
        "    together.wait()\n"
        "    load_mlflow()\n"
        "    if n % 2: TrackingService(workspace).runs(RunQuery())\n"
        "    else: RegistryService(workspace).models(ModelQuery())\n"
        "    done.append(n)\n"
        "threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(sorted(done))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True, timeout=120)
    assert ran.stdout.strip().endswith("[0, 1, 2, 3]"), ran.stderr


def test_threads_that_come_first_together_all_find_the_registry(workspace: Workspace) -> None:
    program = textwrap.dedent(
        """
        import sys, threading, time
        from concurrent.futures import ThreadPoolExecutor
        from jupyter_mlops.tracking.client import load_mlflow, open_client
        from jupyter_mlops.workspace import Workspace

        workspace = Workspace(__import__("pathlib").Path(sys.argv[1]))
        load_mlflow()
        from mlflow.tracking._model_registry.registry import ModelRegistryStoreRegistry as Registry

        fill = Registry.register_entrypoints
        Registry.register_entrypoints = lambda self: (time.sleep(0.5), fill(self))  # others come meanwhile
        begin = threading.Barrier(3)

        def ask(_number):
            begin.wait()
            return len(open_client(workspace).search_registered_models())

        with ThreadPoolExecutor(3) as pool:
            print(list(pool.map(ask, range(3))))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(workspace.root)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[0, 0, 0]", done.stderr
