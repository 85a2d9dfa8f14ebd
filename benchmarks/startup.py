"""What the extension costs at start: of Jupyter Server, of a kernel's import, of JupyterLab in the browser.

The peer is always the same thing without jupyter_mlops.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from harness import Result, interleave, main, median

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.servers import free_port

HERE = Path(__file__).parent


@contextlib.contextmanager
def jupyter(kind: str, with_extension: bool, home: Path) -> Iterator[tuple[str, float]]:
    """Start Jupyter; give its URL and the seconds until it answered."""
    port = free_port()
    config = home / ("with" if with_extension else "without")
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    page = {"disabledExtensions": {} if with_extension else {"jupyter-mlops": True}}
    (config / "labconfig" / "page_config.json").write_text(json.dumps(page))
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    no_news = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(no_news))
    root = home / "root"
    root.mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-m", "jupyter", kind, "--no-browser", "--allow-root", f"--port={port}"),
        *("--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={root}"),
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--ServerApp.jpserver_extensions={ {'jupyter_mlops': with_extension} }",
    ]
    env = {**os.environ, "JUPYTER_CONFIG_DIR": str(config), "JUPYTER_RUNTIME_DIR": str(home / f"runtime-{port}")}
    begun = time.perf_counter()
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            if server.poll() is not None:
                raise RuntimeError(f"Jupyter ended with {server.returncode}")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/api", timeout=5).read()
                break
            time.sleep(0.005)
        yield url, time.perf_counter() - begun
    finally:
        server.terminate()
        server.wait()


def seconds_of_python(code: str) -> float:
    """Return the seconds that a new Python takes to run ``code``, by its own clock from before the code's imports."""
    program = f"import time; t = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def run(quick: bool) -> list[Result]:
    """Measure all of it."""
    home = Path(tempfile.mkdtemp(prefix="mlops-startup-"))
    try:
        return [*server(home, 7 if quick else 15), imported(15 if quick else 40), *browser(home, 5 if quick else 15)]
    finally:
        shutil.rmtree(home, ignore_errors=True)


def server(home: Path, rounds: int) -> list[Result]:
    """Jupyter Server until it answers its first request."""

    def start(with_extension: bool) -> float:
        with jupyter("server", with_extension, home) as (_url, seconds):
            return seconds

    times = interleave({"ours": lambda: start(True), "peer": lambda: start(False)}, rounds)
    return [added("Jupyter Server start with the extension", times, 0.100)]


def imported(rounds: int) -> Result:
    """The package in a process that has IPython already."""
    before = "import IPython"
    times = interleave(
        {
            "ours": lambda: seconds_of_python(f"{before}; import jupyter_mlops; jupyter_mlops.Workspace"),
            "peer": lambda: seconds_of_python(before),
        },
        rounds,
    )
    return added("import IPython and jupyter_mlops", times, 0.150)


def browser(home: Path, rounds: int) -> list[Result]:
    """JupyterLab in Chromium until its first panel can be used, and the JavaScript that the extension loads."""
    with jupyter("lab", True, home) as (ours, _), jupyter("lab", False, home) as (peer, _):
        script = HERE / "startup_browser.mjs"
        done = subprocess.run(
            ["node", str(script), ours, peer, str(rounds)], capture_output=True, text=True, cwd=HERE.parent
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        seen = json.loads(done.stdout.splitlines()[-1])
    kilobytes = seen["extension_bytes"] / 1000
    return [
        added("JupyterLab until its first panel is interactive", seen["times"], 0.300),
        Result(
            "JavaScript of the extension loaded at start, gzip", kilobytes, None, None, "< 60 kB", kilobytes < 60, "kB"
        ),
    ]


def added(name: str, times: dict[str, list[float]], limit: float) -> Result:
    """Make the result of something that may cost at most ``limit`` seconds more than without us.

    What it costs is the median of the rounds' differences: the two of a round met the same noise.
    """
    ours, peer = median(times["ours"]), median(times["peer"])
    cost = median([mine - other for mine, other in zip(times["ours"], times["peer"], strict=True)])
    target = f"< +{limit * 1000:.0f} ms (is {cost * 1000:+.0f} ms)"
    return Result(name, ours, peer, ours / peer, target, cost < limit, "s", times)


if __name__ == "__main__":
    main(__doc__ or "", run)
