"""The MLOps workbench inside JupyterLab: what a notebook imports.

    import jupyter_mlops as mlops

    with mlops.run("train"):
        ...
    mlops.outputs["model"] = model
    mlops.register(model, "delay", alias="champion")
    mlops.deploy("delay@champion", endpoint="delay")

Everything here is lazy: importing the package costs a few milliseconds, a capability is loaded when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import MlopsError
    from .pipelines.io import inputs, outputs
    from .registry.register import register
    from .serving.api import deploy, predict
    from .tracking.run import run
    from .workspace import Workspace

__all__ = [
    "MlopsError",
    "Workspace",
    "__version__",
    "deploy",
    "inputs",
    "outputs",
    "predict",
    "register",
    "run",
]

#: Public name → (module, attribute).
_LAZY = {
    "MlopsError": (".errors", "MlopsError"),
    "Workspace": (".workspace", "Workspace"),
    "__version__": ("._version", "__version__"),
    "deploy": (".serving.api", "deploy"),
    "inputs": (".pipelines.io", "inputs"),
    "outputs": (".pipelines.io", "outputs"),
    "predict": (".serving.api", "predict"),
    "register": (".registry.register", "register"),
    "run": (".tracking.run", "run"),
}


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _LAZY[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(module, __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext jupyter_mlops``: add the magics to a notebook's kernel."""
    from .magics import load

    load(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-mlops"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .extension.app import MlopsExtension

    return [{"module": "jupyter_mlops.extension.app", "app": MlopsExtension}]
