"""A notebook's namespace without a kernel: ``__main__`` as a kernel has it, kept and restored by the value store."""

from __future__ import annotations

import builtins
import sys
import textwrap
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import Kept, keep, restore


@contextmanager
def main_module() -> Iterator[dict[str, Any]]:
    """Be another ``__main__`` for a while; yields its namespace."""
    before = sys.modules["__main__"]
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    try:
        yield module.__dict__
    finally:
        sys.modules["__main__"] = before


def run(source: str, namespace: dict[str, Any]) -> None:
    """Execute a cell."""
    exec(compile(textwrap.dedent(source), "cell", "exec"), namespace)


def made_by(source: str, namespace: dict[str, Any]) -> list[str]:
    """Execute a cell; return the names that it has bound, without those of modules."""
    before = set(namespace)
    run(source, namespace)
    return [
        name
        for name, value in namespace.items()
        if name not in before and name != "__warningregistry__" and not isinstance(value, types.ModuleType)
    ]


def there_and_back(
    store: BlobStore, names: list[str], before: dict[str, Any], after: dict[str, Any], **options: Any
) -> Kept:
    """Keep names as one group and bind them in another namespace, with the modules that the first has."""
    kept = keep(store, {name: before[name] for name in names}, before, **options)
    after.update({name: value for name, value in before.items() if isinstance(value, types.ModuleType)})
    after.update(restore(store, kept.digest, after))
    return kept
