"""Small real packages, and environments of them: wheels in a folder take the place of an index."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from jupyter_mlops import environment
from jupyter_mlops.reproduction.installers import choose


def wheel(folder: Path, name: str, version: str, files: dict[str, str] | None = None) -> Path:
    """Write a wheel with one module, which any installer takes."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    content = {
        f"{module}.py": f"version = {version!r}\n",
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items()]
    content[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"])
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return made


def project(folder: Path, name: str, version: str) -> Path:
    """Write a project that is built by itself: its build back end is a file of its own, so that none is downloaded."""
    module = name.replace("-", "_")
    (folder / "build").mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(f"version = {version!r}\n")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["build"]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
    )
    (folder / "build" / "backend.py").write_text(_BACKEND.format(module=module, name=name, version=version))
    return folder


def lock_of(folder: Path, *arguments: str) -> str:
    """Make an environment with real packages in ``folder`` and return its lock, as it says itself."""
    uv, python = choose("uv").command, folder / "bin" / "python"
    subprocess.run([*uv, "venv", "-q", "--no-project", "--python", sys.executable, str(folder)], check=True)
    if arguments:
        command = [*uv, "pip", "install", "-q", "--python", str(python), "--no-deps", "--no-index"]
        subprocess.run([*command, *arguments], check=True)
    return said_by(folder, "environment_lock()")


def sources_of(folder: Path, root: Path) -> str:
    """Return where the packages of an environment came from, as it says itself."""
    return said_by(folder, f"environment_sources(Path({str(root)!r}))")


def said_by(folder: Path, call: str) -> str:
    """Return what a function of ``jupyter_mlops/environment.py`` says in another environment."""
    code = f"import runpy, sys; from pathlib import Path; globals().update(runpy.run_path(sys.argv[1])); print({call})"
    command = [str(folder / "bin" / "python"), "-I", "-X", "utf8", "-c", code, str(environment.__file__)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout[:-1]


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


_BACKEND = """\
import os, zipfile

NAME, MODULE, VERSION = "{name}", "{module}", "{version}"

def build_wheel(folder, config_settings=None, metadata_directory=None, *, editable=False):
    info = f"{{MODULE}}-{{VERSION}}.dist-info"
    wheel = f"{{MODULE}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        if editable:
            archive.writestr(f"{{MODULE}}.pth", os.getcwd())
        else:
            archive.write(f"{{MODULE}}.py")
        archive.writestr(f"{{info}}/METADATA", f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n")
        archive.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{{info}}/RECORD", "")
    return wheel

def build_editable(folder, config_settings=None, metadata_directory=None):
    return build_wheel(folder, editable=True)
"""
