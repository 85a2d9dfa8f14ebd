"""Build the wheel, install it in a clean environment with no node, and check that Jupyter sees the extension.

What a person gets from ``pip install jupyter_mlops``: no compiler, no node, only what the wheel carries.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def run(*command: str, env: dict[str, str] | None = None) -> str:
    """Run a command; return its output, or end with it where it failed."""
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"$ {' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    """Build, install, look."""
    work = Path(tempfile.mkdtemp(prefix="mlops-wheel-"))
    try:
        check(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check(work: Path) -> None:
    """Do it in the folder ``work``."""
    # Left by `jupyter-builder develop`; the wheel takes the one from the project's root.
    Path("jupyter_mlops/labextension/install.json").unlink(missing_ok=True)
    build_env = {**os.environ, "HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"}
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(work), env=build_env)
    wheel = next(work.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    wanted = ("labextensions/jupyter-mlops/package.json", "jupyter_server_config.d/jupyter_mlops.json", "py.typed")
    for name in wanted:
        if not any(n.endswith(name) for n in names):
            sys.exit(f"The wheel has no {name}")
    for name in names:
        if name.startswith(("tests/", "ui-tests/", "src/")) or "labextension/" in name.split("/data/")[0]:
            sys.exit(f"The wheel should not have {name}")

    venv = work / "venv"
    python = str(venv / "bin" / "python")
    run(sys.executable, "-m", "venv", str(venv))
    # The packages are the ones of constraints.txt, from a fresh resolution of the wheel's own metadata.
    run(
        sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "-c", "constraints.txt", str(wheel)
    )
    bare = {
        "PATH": f"{venv / 'bin'}:{work / 'nothing'}",
        "HOME": str(work),
        "LANG": "C.UTF-8",
        "JUPYTER_CONFIG_DIR": str(work / "config"),
        "JUPYTER_DATA_DIR": str(work / "data"),
    }
    if shutil.which("node", path=bare["PATH"]):
        sys.exit("node must not be on the path of this check")
    labextensions = run(python, "-m", "jupyter", "labextension", "list", env=bare)
    server = run(python, "-m", "jupyter", "server", "extension", "list", env=bare)
    for what, text in (("labextension", labextensions), ("server extension", server)):
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in text.splitlines() if "mlops" in line]
        said = " ".join(lines)
        if not ("enabled" in said and re.search(r"\bOK\b", said)):
            sys.exit(f"The {what} is not enabled and OK:\n{text}")
        print(f"{what}: {said}")
    print(run(str(venv / "bin" / "mlops"), "--version", env=bare).strip())
    folder = work / "project"
    folder.mkdir()
    print(run(str(venv / "bin" / "mlops"), "init", str(folder), env=bare).strip())
    if not (folder / "mlops.toml").is_file():
        sys.exit("mlops init made no mlops.toml")
    # torch is an extra: it must not have come along, and its absence must be said with the line that installs it.
    code = (
        "import importlib.util, sys; sys.exit('torch came along') if importlib.util.find_spec('torch') else None\n"
        "from jupyter_mlops.errors import MissingExtraError\n"
        "print(MissingExtraError('torch', 'The torch model'))"
    )
    print(run(python, "-c", code, env=bare).strip())
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, installs and is seen by Jupyter without node")


if __name__ == "__main__":
    main()
