"""Are both halves of the extension where Jupyter finds them?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from .._version import __version__
from ..i18n import gettext as _
from ..workspace import Workspace
from .finding import Reporter
from .types import Finding

_report = Reporter("installation")
_REINSTALL = "pip install --force-reinstall --no-deps jupyter_mlops"


def check(_start: Path, _workspace: Workspace | None) -> Iterator[Finding]:
    """Check the server extension and the JupyterLab extension."""
    yield _server_extension()
    yield _lab_extension()


def _server_extension() -> Finding:
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.config_manager import BaseJSONConfigManager

    for folder in jupyter_config_path():  # the first that says something decides
        for name in ("jupyter_server_config", "jupyter_notebook_config"):
            config = BaseJSONConfigManager(config_dir=folder).get(name)
            enabled = config.get("ServerApp", {}).get("jpserver_extensions", {}).get("jupyter_mlops")
            if enabled:
                return _report(
                    "server-extension", "ok", _("The server extension is enabled in {folder}.").format(folder=folder)
                )
            if enabled is False:
                return _report(
                    "server-extension",
                    "error",
                    _("The server extension is disabled in {folder}.").format(folder=folder),
                    "jupyter server extension enable jupyter_mlops",
                )
    return _report(
        "server-extension",
        "error",
        _("Jupyter Server does not know the extension."),
        _("Enable it:  jupyter server extension enable jupyter_mlops   (or install again:  {line})").format(
            line=_REINSTALL
        ),
    )


def _lab_extension() -> Finding:
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("labextensions"):
        package = Path(folder) / "jupyter-mlops" / "package.json"
        if not package.is_file():
            continue
        try:
            version = str(json.loads(package.read_text(encoding="utf-8")).get("version", ""))
        except ValueError:
            version = ""
        if version == __version__:
            return _report(
                "lab-extension", "ok", _("The JupyterLab extension {version} is installed.").format(version=version)
            )
        return _report(
            "lab-extension",
            "warning",
            _("The JupyterLab extension is {version}, the server's side {ours}.").format(
                version=version or _("damaged"), ours=__version__
            ),
            _("Install again and reload the page:  {line}").format(line=_REINSTALL),
        )
    return _report(
        "lab-extension",
        "error",
        _("The JupyterLab extension is not installed: JupyterLab shows no MLOps panels."),
        _("Install again:  {line}   (in a checkout:  make build)").format(line=_REINSTALL),
    )
