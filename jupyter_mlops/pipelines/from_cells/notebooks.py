"""The notebooks of steps: the cells as they are, between one that takes what they need and one that hands on."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

from ...i18n import gettext as _
from ..together import output_name, random_output
from .facts import Survey
from .notebook import Cell, Notebook
from .steps import Step

_WIDTH = 100
_PARAMETERS = "parameters"


def notebook_of(notebook: Notebook, step: Step, survey: Survey, folder: str, about: str) -> dict[str, Any]:
    """Return a step's notebook (nbformat 4), which will lie in a folder (workspace path)."""
    cells = {cell.place: cell for cell in survey.cells}
    index = {cell.place: number for number, cell in enumerate(survey.cells)}
    alias = _alias(survey.cells)
    made: list[dict[str, Any]] = [_markdown(about)]
    if there := _way(folder, str(PurePosixPath(notebook.path).parent)):
        made.append(_code(f"%cd -q {there}", "folder", "working-folder"))
    again = [cells[place] for place in sorted(step.replayed, key=lambda place: index[place])]
    first = next((n for n, cell in enumerate(again) if survey.facts[index[cell.place]].reads & step.early), len(again))
    late = [name for name in step.takes if name not in step.early]
    made += [_again(cell, step.replayed[cell.place]) for cell in again[:first]]
    if step.early:
        made.append(_code(_take(alias, sorted(step.early), step.maybe), "take", "take-first"))
    made += [_again(cell, step.replayed[cell.place]) for cell in again[first:]]
    lines = [_take(alias, late, step.maybe)] if late else []
    if step.takes_random:
        lines += [] if late else [f"import jupyter_mlops as {alias}\n"]
        lines.append(f"{alias}.inputs.random_state({_texts(step.takes_random)})")
    if step.unbound:
        lines += [f"globals().pop({json_text(name)}, None)" for name in sorted(step.unbound)]
    if lines:
        made.append(_code("\n".join(lines), "take", "take"))
    made += [_own(cells[place]) for place in step.places]
    if handing_on := _hand_on(alias, step):
        made.append(_code(handing_on, "give", "hand-on"))
    metadata = copy.deepcopy(notebook.metadata)
    metadata["mlops"] = {
        "from_cells": {
            "notebook": notebook.path,
            "step": step.name,
            "cells": [cells[place].id for place in step.places],
        }
    }
    _unique_ids(made)
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}


def inputs_of(step: Step) -> dict[str, tuple[str, str]]:
    """Return a step's inputs: name → (step, output)."""
    found = {output_name(name): (giver, output_name(name)) for name, giver in step.takes.items()}
    return found | {random_output(name): (giver, random_output(name)) for name, giver in step.takes_random.items()}


def outputs_of(step: Step) -> list[str]:
    """Return the names of a step's outputs."""
    return [*(output_name(name) for name in sorted(step.gives)), *map(random_output, sorted(step.gives_random))]


# -- cells that are made ---------------------------------------------------------------------------------------------


def _take(alias: str, names: Sequence[str], maybe: set[str]) -> str:
    head = f"import jupyter_mlops as {alias}\n\n"
    if not maybe.isdisjoint(names):  # all in one call: what shares objects is read at once
        return f"{head}{alias}.inputs.bind({_texts(names)})"
    call = f"{', '.join(names)} = {alias}.inputs.variables({_texts(names)})"
    if len(call) > _WIDTH and len(names) > 1:
        texts = _wrapped(map(json_text, names))
        call = f"(\n    {_wrapped(names)}\n) = {alias}.inputs.variables(\n    {texts}\n)"
    return head + call


def _hand_on(alias: str, step: Step) -> str:
    lines: list[str] = []
    if step.gives or step.untouched or step.opened_again:
        arguments = [json_text(name) for name in sorted(step.gives - step.gives_maybe)]
        words = {"if_bound": step.gives_maybe, "untouched": step.untouched, "opened_again": step.opened_again}
        for word, names in words.items():
            if names:
                arguments.append(f"{word}=[{_texts(sorted(names))}]")
        call = f"{alias}.outputs.variables({', '.join(arguments)})"
        if len(call) > _WIDTH:
            call = f"{alias}.outputs.variables(\n    {_wrapped(arguments)}\n)"
        lines.append(call)
    if step.gives_random:
        lines.append(f"{alias}.outputs.random_state({_texts(sorted(step.gives_random))})")
    return "\n".join([f"import jupyter_mlops as {alias}\n", *lines]) if lines else ""


def json_text(name: str) -> str:
    """Return a name as Python writes it."""
    return json.dumps(name, ensure_ascii=False)


def _texts(names: Iterable[str]) -> str:
    return ", ".join(map(json_text, names))


def _wrapped(parts: Iterable[str]) -> str:
    lines: list[str] = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) + 6 > _WIDTH:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{part},"
    return "\n    ".join(lines)


def _alias(cells: Sequence[Cell]) -> str:
    """Return the name under which a step knows the workbench: one that the notebook does not use otherwise."""
    used = [cell.source for cell in cells if re.search(r"\bmlops\b", cell.source)]
    own = any(re.search(r"import jupyter_mlops as mlops\b", source) for source in used)
    return "mlops" if own or not used else "_mlops_step"


def _way(folder: str, to: str) -> str:
    """Return the relative way from a folder to another; empty: they are the same."""
    way = os.path.relpath(f"/{to}", f"/{folder}").replace(os.sep, "/")
    return "" if way == "." else (f'"{way}"' if " " in way else way)


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "about", "metadata": {}, "source": text}


def _code(source: str, role: str, cell_id: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": {"mlops": {"role": role}},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def _own(cell: Cell) -> dict[str, Any]:
    content = copy.deepcopy(cell.content)
    found = content.get("metadata")
    metadata: dict[str, Any] = found if isinstance(found, dict) else {}
    tags = [tag for tag in metadata.get("tags") or [] if tag not in ("pipeline-parameters", _PARAMETERS)]
    if cell.mark.role == "parameters":
        tags.append(_PARAMETERS)
    metadata = {**metadata, "tags": tags} if tags or "tags" in metadata else metadata
    metadata.pop("execution", None)
    return {
        "cell_type": "code",
        "id": cell.id,
        "metadata": metadata,
        "source": cell.source,
        "outputs": [],
        "execution_count": None,
    }


def _again(cell: Cell, why: str) -> dict[str, Any]:
    content = _own(cell)
    content["metadata"] = {**content["metadata"], "mlops": {"role": "again", "cell": cell.number, "why": why}}
    return content


def _unique_ids(cells: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        name = re.sub(r"[^A-Za-z0-9_-]", "-", cell["id"])[:60] or f"cell-{number}"
        cell["id"] = name if name not in seen else f"{name[:50]}-{number}"
        seen.add(cell["id"])


def about(notebook: Notebook, step: Step, survey: Survey) -> str:
    """Return what a step is in words: its first cell."""
    cells = {cell.place: cell for cell in survey.cells}
    numbers = ", ".join(str(cells[place].number) for place in step.places)
    lines = [
        f"# {step.name}",
        "",
        _("Cells {numbers} of `{notebook}`.").format(numbers=numbers, notebook=notebook.path),
    ]
    lines += ["", *(f"- {note}" for note in dict.fromkeys(step.notes))] if step.notes else []
    if step.takes:
        givers: dict[str, list[str]] = {}
        for name, giver in step.takes.items():
            givers.setdefault(giver, []).append(f"`{name}`")
        taken = "; ".join(f"{', '.join(names)} ← {giver}" for giver, names in givers.items())
        lines += ["", _("Takes: {taken}.").format(taken=taken)]
    for group in step.shared_objects:
        lines += ["", _("{names} share objects, and are taken together.").format(names=", ".join(group))]
    if step.takes_random:
        lines += ["", _("Random numbers go on where {steps} left them.").format(
            steps=", ".join(dict.fromkeys(step.takes_random.values()))
        )]  # fmt: skip
    if step.replayed:
        lines += ["", _("Runs first, from above:"), ""]
        lines += [
            _("- cell {number} (`{title}`): {why}").format(number=cells[p].number, title=cells[p].title, why=why)
            for p, why in step.replayed.items()
        ]
    if step.gives:
        lines += ["", _("Hands on: {names}.").format(names=", ".join(f"`{name}`" for name in sorted(step.gives)))]
    return "\n".join(lines)
