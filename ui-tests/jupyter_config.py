"""A real JupyterLab for the browser tests: no token, its own settings, fresh workspaces in `iris/` and `flights/`.

Only for tests. Everything it writes is in a temporary folder, removed when it ends.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

here = Path(__file__).parent
tmp = Path(tempfile.mkdtemp(prefix="mlops-ui-"))
root = tmp / "root"
(root / "plain").mkdir(parents=True)
(root / "plain" / "notes.txt").write_text("Not a workspace yet.\n", encoding="utf-8")
subprocess.run([sys.executable, str(here / "make_workspace.py"), str(root / "iris")], check=True)
subprocess.run(
    [sys.executable, "-c", "import sys; from pathlib import Path; import demo_workspace as made; "
     "made.fresh_workspace(Path(sys.argv[1]))", str(root / "flights")],
    env=os.environ | {"PYTHONPATH": str(here.parent / "scripts")},
    check=True,
)  # fmt: skip
# OpenMP's threads spin while they wait, which is slow where the browser wants the cores.
os.environ["OMP_WAIT_POLICY"] = "passive"


def clean_up() -> None:
    """Stop what the workspaces still run, then remove everything."""
    for folder, endpoint in (("iris", "iris"), ("iris", "second"), ("flights", "flight-delay")):
        for command in (["endpoints", "stop", endpoint], ["worker", "stop"]):
            program = [sys.executable, "-m", "jupyter_mlops", *command]
            subprocess.run(program, cwd=root / folder, check=False, capture_output=True)
    shutil.rmtree(tmp, ignore_errors=True)


atexit.register(clean_up)

news = tmp / "settings" / "@jupyterlab" / "apputils-extension"
news.mkdir(parents=True)
(news / "notification.jupyterlab-settings").write_text(
    json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8"
)

c = get_config()  # noqa: F821
c.ServerApp.log_level = "WARN"
c.ServerApp.allow_root = True
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = int(os.environ.get("MLOPS_UI_PORT", "8898"))
c.ServerApp.port_retries = 0
c.ServerApp.base_url = "/user/me%40here/"
c.ServerApp.open_browser = False
c.ServerApp.root_dir = str(root)
c.IdentityProvider.token = ""
c.ServerApp.disable_check_xsrf = True
c.LabApp.workspaces_dir = str(tmp / "workspaces")
c.LabApp.user_settings_dir = str(tmp / "settings")
c.LabApp.expose_app_in_browser = True
c.LabApp.extension_manager = "readonly"
