"""What a notebook imports, seen from its code; and which environment variables libraries read as they are imported."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

#: What a module loads only when it is first used, and nearly always is.
_IMPLIED = {"jupyter_mlops": ("mlflow",)}
#: Environment variables that differ between steps or terminals and that no library reads while it is imported; a fork
#: gets those of its step. For any other difference a template of its own is made.
_PER_STEP = re.compile(
    r"MLOPS_|MLFLOW_(TRACKING_URI|EXPERIMENT_NAME|EXPERIMENT_ID|RUN_ID)$|JPY_|JUPYTER_(SERVER|TOKEN)|"
    r"(PWD|OLDPWD|SHLVL|_|TERM|COLUMNS|LINES|PS1|TERM_\w+|SSH_\w+|WINDOWID|DISPLAY|XDG_SESSION_\w+|PYTEST_\w+)$"
)
#: Numbers of threads: set in the forked kernel through the libraries themselves.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
_MAGIC = re.compile(r"^\s*[%!?].*$", re.MULTILINE)
_IMPORT_LINE = re.compile(r"^(?:import|from)\s+[A-Za-z_].*$", re.MULTILINE)


def imported_modules(sources: Iterable[str]) -> list[str]:
    """Return the modules that cells import when they run, in order, once each; what functions import is left out.

    ``from a import b`` gives ``a`` and, because ``b`` may be a module, ``a.b``.
    """
    found: dict[str, None] = {}
    for source in sources:
        for name in _of_cell(source):
            found[name] = None
            for implied in _IMPLIED.get(name.partition(".")[0], ()):
                found[implied] = None
    return list(found)


def is_per_step(name: str) -> bool:
    """Whether an environment variable is the step's own, and none that a library reads as it is imported."""
    return bool(_PER_STEP.match(name)) or name in THREAD_VARIABLES


def environment_key(environment: Mapping[str, str]) -> str:
    """Return a digest of the variables that a library may read as it is imported."""
    lines = sorted(f"{name}={value}" for name, value in environment.items() if not is_per_step(name))
    return hashlib.blake2b("\0".join(lines).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _of_cell(source: str) -> Iterator[str]:
    if source.lstrip().startswith("%%"):
        return
    try:
        tree = ast.parse(_MAGIC.sub("", source))
    except (SyntaxError, ValueError):  # other syntax of IPython: at least the lines that are plain imports
        for line in _IMPORT_LINE.findall(source):
            try:
                yield from _of_tree(ast.parse(line))
            except SyntaxError:
                continue
        return
    yield from _of_tree(tree)


def _of_tree(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield child.module
            for alias in child.names:
                if alias.name != "*":
                    yield f"{child.module}.{alias.name}"
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _of_tree(child)
