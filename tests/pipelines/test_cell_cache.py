"""The cell cache in pipelines: a failed step goes on at its failed cell, also with what passes between steps."""

from __future__ import annotations

from .conftest import Pipelines
from .notebooks import outputs_text, write_notebook


def test_a_resumed_step_goes_on_at_its_failed_cell(pipelines: Pipelines) -> None:
    write_notebook(
        pipelines.root / "c/make.ipynb",
        "import jupyter_mlops as mlops\nimport pandas as pd",
        "mlops.outputs['table'] = pd.DataFrame({'a': [1, 2, 3]})",
    )
    cells = [
        "import jupyter_mlops as mlops\nimport os",
        "table = mlops.inputs['table']",
        "print('long work')\ntotal = {'sum': int(table.a.sum())}\nalias = total",
        "if os.path.exists('broken'):\n    raise RuntimeError('broken')\nalias['sum'] += 1",
        "mlops.outputs['total'] = total['sum']\nprint(total, alias is total)",
    ]
    write_notebook(pipelines.root / "c/use.ipynb", *cells)
    path = pipelines.write(
        "c/p",
        "steps:\n  make: {notebook: make.ipynb, outputs: [table]}\n"
        "  use:\n    notebook: use.ipynb\n    inputs: {table: '${{ steps.make.outputs.table }}'}\n"
        "    outputs: [total]\n",
    )
    (pipelines.root / "c/broken").touch()
    run = pipelines.run(path)
    assert run.status == "failed"

    (pipelines.root / "c/broken").unlink()
    run = pipelines.finish(pipelines.service.resume(run.id))

    assert run.status == "succeeded", run.error
    step = pipelines.service.step(run.id, "use")
    # What reads inputs runs again, and gives the same; so the long work is taken, and the failed cell runs on it
    assert [cell.action for cell in step.cells] == ["cached", "replayed", "cached", "ran", "ran"]
    assert "can't be asked" in step.cells[1].why
    text = outputs_text(pipelines.workspace.resolve(step.output_notebook))
    assert "long work" in text and "{'sum': 7} True" in text


def test_another_run_takes_what_has_not_changed(pipelines: Pipelines) -> None:
    write_notebook(
        pipelines.root / "d/n.ipynb", "#:parameters\nfactor = 2", "base = [1, 2]", "print(sum(base) * factor)"
    )
    path = pipelines.write("d/p", "steps:\n  s:\n    notebook: n.ipynb\n")
    first = pipelines.run(path)
    assert first.status == "succeeded"
    again = pipelines.run(path)
    assert [cell.action for cell in pipelines.service.step(again.id, "s").cells] == ["cached"] * 3
    assert "6" in outputs_text(pipelines.workspace.resolve(pipelines.service.step(again.id, "s").output_notebook))
