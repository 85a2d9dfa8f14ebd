"""Make the small workspace that the browser tests work in.

Two notebooks joined by a pipeline: `train` fits a scikit-learn model on the iris data, logs a curve and registers it,
`publish` puts it behind an endpoint. Everything real, everything small.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from jupyter_mlops.workspace import Workspace

TRAIN = [
    new_markdown_cell("# Train\nA small forest on the iris data."),
    new_code_cell("trees = 20\nseconds_per_round = 0.0", metadata={"tags": ["parameters"]}),
    new_code_cell(
        "# Load the data\n"
        "from sklearn.datasets import load_iris\n"
        "from sklearn.model_selection import train_test_split\n\n"
        "iris = load_iris(as_frame=True)\n"
        "rows = iris.data.rename(columns=lambda name: name.removesuffix(' (cm)').replace(' ', '_'))\n"
        "x, x_test, y, y_test = train_test_split(rows, iris.target, test_size=0.3, random_state=0)"
    ),
    new_code_cell(
        "# Fit the forest\n"
        "import time\n\n"
        "import mlflow\n"
        "from sklearn.ensemble import RandomForestClassifier\n\n"
        "import jupyter_mlops as mlops\n\n"
        "with mlops.run('forest', params={'trees': trees}) as run:\n"
        "    model = RandomForestClassifier(n_estimators=1, warm_start=True, random_state=0)\n"
        "    for count in range(1, trees + 1):\n"
        "        model.set_params(n_estimators=count)\n"
        "        model.fit(x, y)\n"
        "        mlflow.log_metric('accuracy', model.score(x_test, y_test), step=count)\n"
        "        time.sleep(seconds_per_round)\n"
        "    mlflow.log_metric('test_rows', len(x_test))\n"
        "    mlops.register(model, 'iris', alias='champion', input_example=x_test.head(2))"
    ),
    new_code_cell("# Hand on the accuracy\nmlops.outputs['accuracy'] = float(model.score(x_test, y_test))"),
]

PUBLISH = [
    new_markdown_cell("# Publish"),
    new_code_cell("# Look at the accuracy\nimport jupyter_mlops as mlops\n\nmlops.inputs['accuracy']"),
    new_code_cell("# Deploy the champion\nmlops.deploy('iris@champion', endpoint='iris')"),
]

PIPELINE = """\
name: iris
description: Train a small forest and put it behind an endpoint.
parameters:
  trees:
    type: integer
    default: 20
    description: Trees in the forest
  seconds_per_round:
    type: number
    default: 0.0
    description: Waiting time after each tree, to have something to watch
steps:
  train:
    notebook: train.ipynb
    parameters:
      trees: ${{ parameters.trees }}
      seconds_per_round: ${{ parameters.seconds_per_round }}
    outputs: [accuracy]
  publish:
    notebook: publish.ipynb
    inputs:
      accuracy: ${{ steps.train.outputs.accuracy }}
"""

BROKEN_PIPELINE = """\
name: broken
steps:
  one:
    notebook: missing.ipynb
"""

FAILING_PIPELINE = """\
name: failing
steps:
  divide:
    notebook: failing.ipynb
"""

FAILING = [
    new_code_cell("# All is well\nanswer = 42"),
    new_code_cell("# Divide by nothing\nfrom pathlib import Path\n\nanswer / (1 if Path('mended').exists() else 0)"),
]


def write_notebook(path: Path, cells: list[nbformat.NotebookNode]) -> None:
    """Write a Python notebook with these cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.write(notebook, path)


def make_workspace(root: Path) -> Workspace:
    """Make the workspace in a new folder, as a git repository with one commit."""
    root.mkdir(parents=True)
    write_notebook(root / "train.ipynb", TRAIN)
    write_notebook(root / "publish.ipynb", PUBLISH)
    write_notebook(root / "failing.ipynb", FAILING)
    (root / "iris.pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
    (root / "broken.pipeline.yaml").write_text(BROKEN_PIPELINE, encoding="utf-8")
    (root / "failing.pipeline.yaml").write_text(FAILING_PIPELINE, encoding="utf-8")
    workspace = Workspace.init(root, name="iris")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
        subprocess.run([*git, *command], cwd=root, check=True, capture_output=True)
    return workspace


if __name__ == "__main__":
    make_workspace(Path(sys.argv[1]))
