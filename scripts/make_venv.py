"""Make the project's virtual environment, or say what Python it needs."""

import sys
import venv

if sys.version_info < (3, 11):  # noqa: UP036 - this script is there to tell those who have an older one
    sys.exit(
        f"jupyter_mlops needs Python 3.11 or newer; this is {sys.version.split()[0]}.\n"
        "Name another:  make PYTHON=python3.12 …   (after removing .venv)"
    )
try:
    venv.EnvBuilder(with_pip=True, symlinks=True).create(".venv")
except Exception as error:  # ensurepip is a package of its own on Debian
    sys.exit(f"The virtual environment could not be made: {error}\nOn Debian and Ubuntu:  apt-get install python3-venv")
