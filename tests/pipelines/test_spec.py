"""Reading pipeline files: what is right, and everything that is wrong at once, with its place and a fix."""

from __future__ import annotations

import textwrap

import pytest

from jupyter_mlops.errors import InvalidInputError, NotFoundError, PathError
from jupyter_mlops.pipelines.files import find_pipelines
from jupyter_mlops.pipelines.spec import MAX_STEPS, read_document
from jupyter_mlops.pipelines.types import PipelineSpec, Problem
from jupyter_mlops.pipelines.yaml_positions import MAX_BYTES
from jupyter_mlops.workspace import Workspace

from .notebooks import write_notebook

GOOD = """
    name: Verspätung
    description: Who is late?
    parameters:
      months: 6
      kind: {type: string, default: forest, description: Which model.}
      threshold: {type: number, default: 15}
    steps:
      train:
        notebook: train.ipynb
        inputs: {train: "${{ steps.prepare.outputs.train }}"}
        outputs: [model]
        parameters: {kind: "${{ parameters.kind }}", note: "of ${{ parameters.months }} months"}
        timeout_minutes: 30
      prepare:
        notebook: prepare.ipynb
        parameters: {months: "${{ parameters.months }}"}
        outputs: [train, test]
      report:
        notebook: prepare.ipynb
        needs: [train]
"""


@pytest.fixture
def folder(workspace: Workspace) -> Workspace:
    """A workspace with the notebooks that the pipelines name."""
    write_notebook(workspace.root / "nb" / "prepare.ipynb", "#:parameters\nmonths = 12\n", "months")
    write_notebook(workspace.root / "nb" / "train.ipynb", "#:parameters\nkind: str = 'tree'\nnote = ''\n", "kind")
    write_notebook(workspace.root / "nb" / "plain.ipynb", "1")
    return workspace


def read(workspace: Workspace, text: str) -> tuple[PipelineSpec | None, list[Problem]]:
    file = workspace.root / "nb" / "p.pipeline.yaml"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    document = read_document(workspace, "nb/p.pipeline.yaml")
    assert (document.spec is None) == bool(document.problems)
    return document.spec, document.problems


def problems(workspace: Workspace, text: str) -> list[Problem]:
    return read(workspace, text)[1]


def one_step(lines: str) -> str:
    return "steps:\n  a:\n    notebook: train.ipynb\n" + textwrap.indent(textwrap.dedent(lines), "    ")


def test_a_pipeline_is_read_in_topological_order_with_its_types(folder: Workspace) -> None:
    spec, wrong = read(folder, GOOD)

    assert wrong == []
    assert spec is not None
    assert spec.name == "Verspätung"
    assert [step.name for step in spec.steps] == ["prepare", "train", "report"]
    train = spec.steps[1]
    assert train.notebook == "nb/train.ipynb"
    assert train.inputs == {"train": "prepare.train"}
    assert train.needs == ["prepare"]
    assert train.timeout_minutes == 30
    assert [(each.name, each.type, each.default) for each in spec.parameters] == [
        ("months", "integer", 6),
        ("kind", "string", "forest"),
        ("threshold", "number", 15),
    ]


def test_every_problem_is_reported_at_once_with_its_place(folder: Workspace) -> None:
    found = problems(
        folder,
        """\
        name: bad
        paramters: {}
        steps:
          a:
            notebook: missing.ipynb
            outputs: [x, x]
          b:
            notebook: train.ipynb
            parameters: {unknown: 1, kind: "${{ parameters.nope }}"}
            inputs: {d: "${{ steps.a.outputs.y }}", e: "${{ steps.zzz.outputs.y }}", f: 5}
            timeout_minutes: soon
        """,
    )

    said = [(each.line, each.column, each.message) for each in found]
    assert said == [
        (2, 1, "There is no key 'paramters' in a pipeline."),
        (5, 15, "There is no notebook nb/missing.ipynb."),
        (6, 18, "'x' stands here twice."),
        (9, 18, "nb/train.ipynb has no parameter 'unknown'."),
        (9, 36, "The pipeline has no parameter 'nope'."),
        (10, 17, "The step 'a' has no output 'y'."),
        (10, 48, "There is no step 'zzz'."),
        (10, 81, "An input is one output of another step."),
        (11, 22, "'timeout_minutes' is not a number of minutes."),
    ]
    assert all(each.fix for each in found)
    assert found[3].fix == "Its 'parameters' cell assigns: kind, note."


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "The file is empty."),
        ("- a\n- b\n", 1, 1, "'A pipeline file' is a list; it must be a mapping."),
        ("name: x\n", 1, 1, "The pipeline has no steps."),
        ("name: x\nsteps: {}\n", 2, 8, "'steps' is empty; it must be a mapping."),
        ("steps:\n  a: [\n", 3, 1, "This is not YAML: expected the node content, but found '<stream end>'."),
        ("steps:\n\ta: 1\n", 2, 1, "This is not YAML: found character '\\t' that cannot start any token."),
        ("steps:\n  1a:\n    notebook: plain.ipynb\n", 2, 3, "'1a' can't be a step's name."),
        (
            "steps:\n  a: {notebook: plain.ipynb}\n  a: {notebook: plain.ipynb}\n",
            3,
            3,
            "'a' stands here a second time (first in line 2).",
        ),
        ("steps:\n  a: plain.ipynb\n", 2, 6, "'A step' is text; it must be a mapping."),
        ("steps:\n  a: {outputs: [x]}\n", 2, 3, "The step names no notebook."),
        ("steps:\n  a: {notebook: p.pipeline.yaml}\n", 2, 17, "p.pipeline.yaml is not a notebook."),
        (one_step("parameters: {kind: .inf}"), 4, 24, "Infinite numbers and .nan can't be passed on."),
        (one_step("parameters: {kind: 2013-01-01}"), 4, 24, "'2013-01-01' is read as date"),
        (one_step("parameters: {kind: '${{ env.HOME }}'}"), 4, 24, "${{ env.HOME }} means nothing."),
        (one_step("parameters: {kind: '${{ parameters.x'}"), 4, 24, "${{ parameters.x means nothing."),
        (one_step("parameters: {kind: '${{ steps.a.outputs.b }}'}"), 4, 24, "An output can't be a parameter"),
        (one_step("needs: [a]"), 4, 13, "The step waits for itself."),
        (one_step("needs: b"), 4, 12, "'needs' is text; it must be a list."),
        (one_step("outputs: ['../x']"), 4, 15, "'../x' can't be the name of an output."),
        (one_step("timeout_minutes: -1"), 4, 22, "'timeout_minutes' is not a number of minutes."),
        ("parameters: {n: {type: int}}\n" + one_step(""), 1, 24, "There is no parameter type 'int'."),
        ("parameters: {n: {type: integer, default: x}}\n" + one_step(""), 1, 42, "The default of 'n' is text"),
        ("parameters: {1n: 2}\n" + one_step(""), 1, 14, "'1n' can't be a parameter's name."),
        ("name: [1]\n" + one_step(""), 1, 7, "'name' is a list; it must be text."),
        ("name: a\x01b\n", 0, 0, "This is not YAML: unacceptable character #x0001"),
    ],
)
def test_one_problem(folder: Workspace, text: str, line: int, column: int, message: str) -> None:
    (found, *_more) = problems(folder, text)

    assert (found.line, found.column) == (line, column)
    assert found.message.startswith(message)


def test_a_cycle_names_its_steps(folder: Workspace) -> None:
    (found,) = problems(
        folder,
        """\
        steps:
          a: {notebook: plain.ipynb, needs: [c]}
          b: {notebook: plain.ipynb, needs: [a]}
          c: {notebook: plain.ipynb, needs: [b]}
          d: {notebook: plain.ipynb, needs: [c]}
        """,
    )

    assert found.message == "These steps wait for each other: a → c → b → a."


def test_a_parameter_for_a_notebook_without_a_parameters_cell_is_a_problem(folder: Workspace) -> None:
    (found,) = problems(folder, "steps:\n  a: {notebook: plain.ipynb, parameters: {x: 1}}\n")

    assert "no cell tagged 'parameters'" in found.message
    assert "Add tag" in found.fix


@pytest.mark.parametrize("path", ["../../outside.ipynb", "/etc/passwd.ipynb", "link/x.ipynb", "../.mlops/x.ipynb"])
def test_a_notebook_outside_is_a_problem(folder: Workspace, path: str) -> None:
    (folder.root / "nb" / "link").symlink_to("/tmp")

    (found,) = problems(folder, f"steps:\n  a: {{notebook: '{path}'}}\n")

    assert (found.line, found.column) == (2, 17)


def test_a_file_that_is_no_notebook_is_a_problem(folder: Workspace) -> None:
    (folder.root / "nb" / "text.ipynb").write_text("hello", encoding="utf-8")
    (folder.root / "nb" / "other.ipynb").write_text('{"a": 1}', encoding="utf-8")
    (folder.root / "nb" / "latin.ipynb").write_bytes(b'{"a": "\xe4"}')

    found = problems(
        folder,
        "steps:\n  a: {notebook: text.ipynb}\n  b: {notebook: other.ipynb}\n  c: {notebook: latin.ipynb}\n",
    )

    assert "It is not JSON: Expecting value in line 1, column 1." in found[0].message
    assert "it has no 'nbformat' number" in found[1].message
    assert "It is not UTF-8 text." in found[2].message


def test_files_that_can_not_be_pipelines_end_in_words(folder: Workspace) -> None:
    file = folder.root / "x.pipeline.yaml"

    file.write_bytes(b"name: \xff\n")
    assert read_document(folder, "x.pipeline.yaml").problems[0].message == "The file is not UTF-8 text."
    assert read_document(folder, "x.pipeline.yaml").problems[0].column == 7
    with file.open("wb") as out:
        out.truncate(300 * MAX_BYTES)
    assert "157.3 MB large" in read_document(folder, "x.pipeline.yaml").problems[0].message
    file.write_text("[" * 10_000, encoding="utf-8")
    assert "nested too deeply" in read_document(folder, "x.pipeline.yaml").problems[0].message
    with pytest.raises(NotFoundError, match="no pipeline file"):
        read_document(folder, "y.pipeline.yaml")
    with pytest.raises(PathError):
        read_document(folder, "../y.pipeline.yaml")
    with pytest.raises(InvalidInputError, match="ends with"):
        read_document(folder, "mlops.toml")


def test_aliases_that_unfold_without_end_are_refused(folder: Workspace) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]

    found = problems(folder, "\n".join(lines))

    assert any("nested too deeply, or too large" in each.message for each in found)


def test_too_many_steps_are_refused(folder: Workspace) -> None:
    text = "steps:\n" + "".join(f"  s{n}: {{notebook: plain.ipynb}}\n" for n in range(MAX_STEPS + 1))

    (found,) = problems(folder, text)

    assert "at most 1000 steps" in found.message


def test_pipeline_files_are_found_but_not_in_hidden_folders_and_environments(folder: Workspace) -> None:
    for place in ("a.pipeline.yaml", "nb/b.pipeline.yml", ".hidden/c.pipeline.yaml", "node_modules/d.pipeline.yaml"):
        (folder.root / place).parent.mkdir(exist_ok=True)
        (folder.root / place).touch()
    (folder.root / "venv").mkdir()
    (folder.root / "venv" / "pyvenv.cfg").touch()
    (folder.root / "venv" / "e.pipeline.yaml").touch()

    assert find_pipelines(folder) == ["a.pipeline.yaml", "nb/b.pipeline.yml"]
