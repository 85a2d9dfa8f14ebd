"""Files that are no input and no result of a cell: Python's, packages', the system's, and the workspace's own state.

What lies in the workspace is the user's, whatever the folder's name; outside it, what is not known to be the system's.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from functools import lru_cache

#: Below these nothing is the user's, apart from :data:`_USERS`.
_SYSTEM = tuple(
    (  # noqa: SIM905
        "/proc/ /sys/ /dev/ /run/ /lib/ /lib32/ /lib64/ /libx32/ /usr/bin/ /usr/include/ /usr/lib/ /usr/lib32/ "
        "/usr/lib64/ /usr/libexec/ /usr/sbin/ /usr/X11/ /usr/X11R6/ /opt/X11/ /opt/local/share/fonts/ /Library/Fonts/ "
        "/Network/Library/ /System/ /usr/local/bin/ /usr/local/include/ /usr/local/lib/ /usr/local/sbin/"
    ).split()
)
#: Memory that people use as a disk, disks that they plug in, what a container is handed.
_USERS = ("/dev/shm/", "/run/shm/", "/run/media/", "/run/mount/", "/run/secrets/")  # noqa: S108 - told apart, not written to
#: Of folders that hold other things too: what is the system's in them.
_SHARED = frozenset(
    (  # noqa: SIM905
        "zoneinfo fonts fontconfig locale i18n mime terminfo X11 icons themes ca-certificates javascript jupyter "
        "python misc tcltk doc doc-base man info perl perl5 zsh bash-completion pixmaps file gdal proj nodejs"
    ).split()
)
_ETC = frozenset(
    (  # noqa: SIM905
        "ssl ca-certificates pki fonts jupyter ipython ld.so.conf.d pip pip.conf localtime timezone hosts host.conf "
        "hostname resolv.conf nsswitch.conf gai.conf services protocols passwd group shadow mime.types os-release "
        "lsb-release debian_version redhat-release alpine-release machine-id ld.so.cache ld.so.conf ld.so.preload "
        "gitconfig inputrc terminfo python3 alternatives magic OpenCL matplotlibrc odbcinst.ini pulse"
    ).split()
)
_PRIVATE = {
    "": ".cache .fonts .ipython .jupyter .mlflow",
    ".local/": "lib bin state",
    ".local/share/": "jupyter uv pip virtualenv virtualenvs fonts mime icons pipx",
    ".config/": "matplotlib pip git jupyter ipython fontconfig pandas black ruff mypy uv dask distributed",
}
#: Folders that hold the same everywhere.
_ANYWHERE = tuple(f"{os.sep}{name}{os.sep}" for name in (".mlops", ".git", "__pycache__")) + tuple(
    f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages")
)
_NAMES = ("/.mlops", "/mlops.toml", "/.git", "/__pycache__", "/site-packages", "/dist-packages")
#: This package, which lies outside site-packages where it is installed editable.
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

#: The workspace's folder, with a slash, and the notebook that runs: its file changes with each save.
_root, _notebook = "", ""


def follow(root: str, notebook: str) -> None:
    """Say which workspace's cells run from now on, and the absolute path of their notebook (empty: not known)."""
    global _root, _notebook
    if (root + os.sep, notebook) != (_root, _notebook):
        _root, _notebook = root + os.sep, notebook
        is_left_out.cache_clear()
        _outside.cache_clear()
        _mixed.cache_clear()
        # Now, not when the hook asks: the search for the temporary folder writes files under a lock of its own, and
        # the hook, called by it, would wait for itself.
        _outside()


def is_of_workspace(path: str) -> bool:
    """Whether a path lies in the workspace."""
    return bool(_root) and path.startswith(_root)


@lru_cache(maxsize=4096)
def is_left_out(path: str) -> bool:
    """Whether an absolute path is none of the user's files."""
    if path == _notebook or path.endswith(_NAMES) or any(part in path for part in _ANYWHERE):
        return True
    if path.endswith(">") and os.path.basename(path).startswith("<"):  # code that came from no file
        return True
    temporary, below_root, outside = _outside()
    if path.startswith(temporary):
        return True
    if _root and path.startswith(_root):
        return path.startswith(below_root)
    if path.startswith(outside):
        return not path.startswith(_USERS)
    mixed = _mixed()
    # Such a folder itself is made by the first program that needs it: ``~/.config``.
    return f"{path}{os.sep}" in mixed or any(
        path.startswith(folder) and _first(path, folder) in names for folder, names in mixed.items()
    )


def _first(path: str, folder: str) -> str:
    return path[len(folder) :].partition(os.sep)[0]


@lru_cache(maxsize=1)
def _mixed() -> dict[str, frozenset[str]]:
    home = os.path.expanduser("~") + os.sep
    private = {f"{home}{folder}": frozenset(names.split()) for folder, names in _PRIVATE.items()}
    return {"/usr/share/": _SHARED, "/usr/local/share/": _SHARED, "/etc/": _ETC, **private}


@lru_cache(maxsize=1)
def _outside() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return prefixes: of the kernel's and our temporary files; left out in the workspace; left out outside it."""
    folder = tempfile.gettempdir()
    temporary = (f"{folder}{os.sep}ipykernel_", f"{folder}{os.sep}mlops-")
    python = [each for each in _python() if not _root.startswith(each)]
    return (
        tuple(each for each in temporary if not _root.startswith(each)),
        (_OURS, *(each for each in python if _root and each.startswith(_root))),
        (_OURS, *_SYSTEM, *python),
    )


def _python() -> set[str]:
    """Return the folders of this Python and its environment, and the standard library's archive."""
    home = os.path.expanduser("~") + os.sep
    found = set()
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix):
        for each in (prefix, os.path.realpath(prefix)):
            found.add(f"{each}{os.sep}lib{os.sep}python")
            # Where others have their folders too, or the user's home is, only the libraries are Python's.
            if each not in ("/", "/usr", "/usr/local") and not home.startswith(each + os.sep):
                found.add(each + os.sep)
    paths = sysconfig.get_paths()
    for key in ("stdlib", "platstdlib"):
        found.update((paths[key] + os.sep, os.path.realpath(paths[key]) + os.sep))
    return found
