"""The cells of a run as a notebook: in the order in which they ran, repeats included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _

if TYPE_CHECKING:
    from ..cells.service import Execution

_KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


def executed_notebook(
    records: Sequence[Execution], metadata: dict[str, Any], introduction: str = ""
) -> tuple[bytes, list[int]]:
    """Return a notebook with one code cell for each execution, and the cell's index for each record.

    ``metadata`` is the original notebook's: its kernel runs the cells. Cells that failed then may fail again.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

    head = [new_markdown_cell(introduction, id="about-this-notebook")] if introduction else []
    cells = []
    for number, record in enumerate(records, start=1):
        mlops = {"execution": record["id"], "cell": record["cell_id"], "count": record["count"]}
        kept = {"mlops": mlops, **({"tags": ["raises-exception"]} if record["status"] == "failed" else {})}
        cells.append(new_code_cell(record["source"], id=f"execution-{number}", metadata=kept))
    kernel = metadata.get("kernelspec")
    node = new_notebook(
        cells=[*head, *cells],
        metadata={"kernelspec": kernel if isinstance(kernel, dict) and kernel.get("name") else _KERNEL},
    )
    text = writes(node) + "\n"
    return text.encode("utf-8", "surrogatepass"), [len(head) + index for index in range(len(cells))]


def metadata_of(raw: bytes) -> dict[str, Any]:
    """Return the metadata of a notebook file; empty for what can't be read."""
    try:
        found = json.loads(raw).get("metadata", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def path_beside(notebook: str, taken: set[str]) -> str:
    """Return a path beside the notebook for the cells as executed that no file of the snapshot has."""
    original = PurePosixPath(notebook or "notebook.ipynb")
    for number in range(1, 1000):
        more = "" if number == 1 else f"-{number}"
        path = str(original.with_name(f"{original.stem}-as-executed{more}.ipynb"))
        if path not in taken:
            return path
    return str(original.with_name(f"{original.stem}-as-executed-again.ipynb"))


def seeds_in_words(records: Sequence[Execution]) -> list[str]:
    """Say which executions set and which used random generators."""
    said = []
    for number, record in enumerate(records, start=1):
        for name in record.get("generators", {}):
            if name in record.get("seeded", []):
                said.append(_("Execution {n} seeds the generator of {name}.").format(n=number, name=name))
            else:
                said.append(_("Execution {n} uses the generator of {name}.").format(n=number, name=name))
    return said
