"""The published JSON Schema says the same as the reader wherever a schema can say it."""

from __future__ import annotations

import textwrap

import jsonschema
import pytest
import yaml

from jupyter_mlops.pipelines import spec
from jupyter_mlops.pipelines.file_schema import pipeline_schema
from jupyter_mlops.workspace import Workspace

from .notebooks import write_notebook
from .test_spec import GOOD

BAD = [
    "name: x\n",
    "steps: {}\n",
    "steps: [a]\n",
    "steps: {a: {}}\n",
    "steps: {a: {notebook: a.py}}\n",
    "steps: {a: {notebook: a.ipynb, colour: red}}\n",
    "steps: {a: {notebook: a.ipynb, outputs: x}}\n",
    "steps: {a: {notebook: a.ipynb, outputs: [x, x]}}\n",
    "steps: {a: {notebook: a.ipynb, inputs: {x: 5}}}\n",
    "steps: {a: {notebook: a.ipynb, timeout_minutes: -1}}\n",
    "nam: x\nsteps: {a: {notebook: a.ipynb}}\n",
    "name: ''\nsteps: {a: {notebook: a.ipynb}}\n",
    "parameters: {n: {type: int}}\nsteps: {a: {notebook: a.ipynb}}\n",
    "parameters: {n: {kind: integer}}\nsteps: {a: {notebook: a.ipynb}}\n",
]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = pipeline_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_takes_what_the_reader_takes(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(yaml.safe_load(textwrap.dedent(GOOD)))


@pytest.mark.parametrize("text", BAD)
def test_schema_and_reader_refuse_the_same(
    validator: jsonschema.Draft202012Validator, workspace: Workspace, text: str
) -> None:
    write_notebook(workspace.root / "a.ipynb", "1")
    (workspace.root / "p.pipeline.yaml").write_text(text, encoding="utf-8")

    assert not validator.is_valid(yaml.safe_load(text))
    assert spec.read_document(workspace, "p.pipeline.yaml").problems


def test_every_key_that_the_reader_knows_is_in_the_schema() -> None:
    schema = pipeline_schema()

    assert set(schema["properties"]) == set(spec._TOP_KEYS)
    assert set(schema["properties"]["steps"]["additionalProperties"]["properties"]) == set(spec._STEP_KEYS)
    parameter = schema["properties"]["parameters"]["additionalProperties"]["anyOf"][1]
    assert set(parameter["properties"]) == set(spec._PARAMETER_KEYS)
