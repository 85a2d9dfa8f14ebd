"""A slice as a notebook of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _
from ..i18n import ngettext

if TYPE_CHECKING:
    from .slicing import Slice, SliceCell

#: nbclient and papermill go on after a cell with this tag has raised an error.
RAISES = "raises-exception"


def notebook_of(found: Slice, *, kernel_name: str = "python3") -> Any:
    """Return a notebook (nbformat 4) with a slice's cells in the order in which they ran.

    Its first cell says what it is. A cell that failed then may fail again without stopping it.
    """
    from nbformat import v4

    cells = [v4.new_markdown_cell(_about(found)), *(_cell(cell) for cell in found.cells)]
    kernel = {"name": kernel_name, "display_name": kernel_name, "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _cell(cell: SliceCell) -> Any:
    from nbformat import v4

    record = cell.execution
    metadata: dict[str, Any] = {"mlops": {"execution": record["id"], "why": cell.why}}
    if record["status"] not in ("succeeded", "cached"):
        metadata["tags"] = [RAISES]
    return v4.new_code_cell(record["source"], metadata=metadata)


def _about(found: Slice) -> str:
    target = found.target
    title = {
        "variable": _("What made the variable `{name}`"),
        "execution": _("What led to the execution `{name}`"),
        "run": _("What made the run `{name}`"),
        "file": _("What made the file `{name}`"),
    }[target.kind].format(name=target.name)
    notebook = next((cell.execution.get("notebook") for cell in found.cells), "") or _("a kernel without a notebook")
    number = ngettext("{n} execution", "{n} executions", len(found.cells)).format(n=len(found.cells))
    lines = [
        f"# {title}",
        "",
        _("{number} of cells of {notebook}, in the order in which they ran.").format(number=number, notebook=notebook),
    ]
    edited = sum(cell.cell in ("edited", "deleted") for cell in found.cells)
    if edited:
        lines.append(
            ngettext(
                "{n} of these cells was edited or deleted since: here it is as it ran.",
                "{n} of these cells were edited or deleted since: here they are as they ran.",
                edited,
            ).format(n=edited)
        )
    if found.outside_files:
        lines.append(_("Files that it reads: {files}").format(files=_listed(found.outside_files)))
    if found.data:
        lines.append(_("Data that it reads: {data}").format(data=_listed(found.data)))
    lines += [f"- {doubt}" for doubt in found.doubts]
    return "\n".join(lines)


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)
