"""The limits that Kale documents, as notebooks that become pipelines and end as the notebooks do.

https://github.com/kubeflow-kale/kale/blob/master/FAQ.md, "Limitations": *Aliasing*, *Mutating global state*, *Passing
non-serialisable objects between steps*, *Star imports*; and "Exception ModuleNotFoundError in pipeline step".
The notebook has Kale's own tags. It runs once as a whole, in one kernel, which is recorded; then step by step.
"""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import pytest

from jupyter_mlops.pipelines.from_cells.service import CellsPipelineService
from jupyter_mlops.pipelines.from_cells.types import CellsPipeline, CellsPipelineRequest, ProposedStep
from jupyter_mlops.pipelines.types import PipelineRun
from jupyter_mlops.workspace import Workspace

from .conftest import Pipelines
from .notebooks import code, outputs_text, write_notebook

#: Their cells in one notebook, since each step starts a process. What it prints at the end is held against the steps.
_NOTEBOOK = [
    code("%pip install -q --no-index --no-deps --target site ./wheels/made_here-1.0-py3-none-any.whl"),
    code("import sys\nsys.path.insert(0, 'site')"),
    code("import warnings\nfrom mymodule import *", "imports"),
    code("class Model:\n    def __init__(self):\n        self.layers = []", "functions"),
    # step a
    code("model1 = model2 = Model()\nothers = [model1]", "step:a"),
    code("f = open('myfile', 'a')"),
    code("calls = []\ntotal = 0\ndef count(what):\n    global total\n    total += 1\n    calls.append(what)"),
    code("warnings.simplefilter('ignore')\nwarnings.warn('A', DeprecationWarning)"),
    code("import made_here\nbox = made_here.Box(7)\nres = myfoo(20)\ncount('a')"),
    # step b
    code("model2.layers.append('dense')", "step:b", "prev:a"),
    code("f.write('B')"),
    code("warnings.warn('B', DeprecationWarning)\ncount('b')"),
    # step c
    code("f.write('C')\nf.close()", "step:c", "prev:b"),
    code("print('aliasing:', model1.layers, model1 is model2, others[0] is model1)"),
    code("warnings.warn('C', DeprecationWarning)\nprint('globals:', total, calls)"),
    code("print('file:', open('myfile').read())"),
    code("print('star:', res + myfoo(1), LIMIT)"),
    code("print('installed:', box.content, type(box).__module__)"),
]


def _wheel(file: Path) -> None:
    """Write a wheel by hand: installing it needs no network and no build."""
    file.parent.mkdir()
    info = "made_here-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("made_here.py", "class Box:\n    def __init__(self, content):\n        self.content = content\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: made-here\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@dataclasses.dataclass
class Made:
    """A pipeline from cells, what the whole notebook printed, and what the last step did."""

    pipeline: CellsPipeline
    whole: str
    steps: str

    def step(self, name: str) -> ProposedStep:
        return next(each for each in self.pipeline.steps if each.name == name)

    def said(self, about: str) -> str:
        """What both print about one of the limits."""
        (whole,) = (line for line in self.whole.splitlines() if line.startswith(about))
        (steps,) = (line for line in self.steps.splitlines() if line.startswith(about))
        assert steps == whole
        return steps.removeprefix(f"{about}: ")


@pytest.fixture(scope="module")
def made(project: Workspace) -> Made:
    pipelines = Pipelines(project)
    folder = pipelines.root / "limits"
    write_notebook(folder / "n.ipynb", *_NOTEBOOK)
    (folder / "mymodule.py").write_text("LIMIT = 3\ndef myfoo(n):\n    return n + LIMIT\n")
    _wheel(folder / "wheels/made_here-1.0-py3-none-any.whl")

    def last_output(run: PipelineRun) -> str:
        assert run.status == "succeeded", run.error
        detail = pipelines.service.step(run.id, run.steps[-1].name)
        return outputs_text(project.resolve(detail.output_notebook))

    whole = last_output(pipelines.run("limits/n.ipynb"))
    (folder / "myfile").unlink()
    pipeline = CellsPipelineService(project).make(CellsPipelineRequest(notebook="limits/n.ipynb", write=True))
    return Made(pipeline, whole, last_output(pipelines.run(pipeline.path)))


def test_aliasing(made: Made) -> None:
    assert made.said("aliasing") == "['dense'] True True"
    taken = {each.name: each for each in made.step("c").inputs}
    assert taken["model1"].step == taken["model2"].step == "b"
    assert {"model2", "others"} <= set(taken["model1"].together)


def test_mutating_global_state(made: Made) -> None:
    assert made.said("globals") == "2 ['a', 'b']"
    assert "DeprecationWarning" not in made.whole + made.steps
    # The cell that sets the filter runs again in each step; what the function changed is taken
    for name in ("b", "c"):
        assert [(each.role, each.why) for each in made.step(name).cells if each.number == 8] == [
            ("again", "it sets up the session")
        ]
    assert {each.name: each.step for each in made.step("c").inputs}["total"] == "b"


def test_passing_non_serialisable_objects(made: Made) -> None:
    assert made.said("file") == "BC"
    for name in ("b", "c"):  # the file is opened again where it is written to, and that is said
        assert [each.role for each in made.step(name).cells if each.number == 6] == ["again"]
        assert "f is made again here by cell 6: it can't be handed on (an open file)." in made.step(name).notes


def test_star_imports(made: Made) -> None:
    assert made.said("star") == "27 3"
    names = {each.name for each in made.step("c").inputs}
    assert "res" in names and names.isdisjoint({"myfoo", "LIMIT", "*"})  # the import runs in each step
    assert [each.role for each in made.step("c").cells if each.number == 3] == ["prepares"]


def test_packages_installed_in_the_kernel(made: Made) -> None:
    assert made.said("installed") == "7 made_here"
    assert made.step("c").packages == ["./wheels/made_here-1.0-py3-none-any.whl"]
    assert [each.number for each in made.step("c").cells][:2] == [1, 2]
