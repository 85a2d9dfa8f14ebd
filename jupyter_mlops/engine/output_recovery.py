"""Making an executed notebook whole again from the journal that a killed execution left (:mod:`.output_journal`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .. import journal
from ..errors import NotebookError, NotFoundError, from_os_error
from ..i18n import gettext as _
from .notebook_file import write_notebook
from .output_journal import digest_of, is_journal, journal_path
from .output_lock import RELEASE_PATIENCE, hold
from .output_replay import Replay

_RELEASE_PATIENCE = RELEASE_PATIENCE


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery found."""

    #: Where the recovered notebook was written.
    notebook: Path
    #: Cells that had ended, in order.
    ended: list[int]
    #: The cell that was running, with what it had put out.
    running: int | None
    #: The output, where it is not what the execution had written: it was left as it is.
    kept: Path | None = None
    #: Records of the journal that are damaged, or tell of what others did that are: what they say is missing.
    damaged: int = 0


def recover(output: Path) -> Recovered | None:
    """Write the executed notebook ``output`` as it was when its execution was killed; None where nothing is left.

    An output that something else has written since (another execution, a person) stays as it is: the notebook is
    written beside it, as ``<name>.recovered.ipynb``. Afterwards the journal is gone.

    Raises :class:`ConflictError` while the execution still runs, :class:`NotebookError` where the journal is damaged
    beyond use, :class:`MlopsError` where a file can't be used.
    """
    path = journal_path(output)
    if not is_journal(path):
        return None
    todo = _("Wait for its end, or stop its process, then recover it.")
    lock = hold(path, todo=todo, patience=_RELEASE_PATIENCE)
    if lock is None:
        return None
    try:
        return _recover(output, path)
    finally:
        os.close(lock)


def left_over(folder: Path) -> list[Path]:
    """Return the notebooks below ``folder`` (or the notebook it is) whose execution left a journal."""
    if not folder.is_dir():
        return [folder] if is_journal(journal_path(folder)) else []
    found = sorted(filter(is_journal, folder.rglob(".*.journal")))
    return [path.with_name(path.name[1:].removesuffix(".journal")) for path in found]


def _recover(output: Path, path: Path) -> Recovered | None:
    found = journal.read(path)
    found.damaged -= _is_cut_off(path)
    replay = Replay()
    for record in found.records:
        replay.take(record)
    if replay.node is None and not found.damaged and not replay.damaged:
        path.unlink(missing_ok=True)  # killed before it began
        return None
    if replay.node is None:
        raise NotebookError(
            _("{notebook} can't be recovered.").format(notebook=output.name),
            why=_("The beginning of its journal is damaged."),
            next=_("The notebook is as it was last written. Delete the journal {path}.").format(path=path.name),
        )
    node = replay.finish()
    try:
        ours = _is_of_the_execution(output, path, replay.written)
        target = output if ours else _beside(output)
        write_notebook(node, target)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise from_os_error(error, _("write the recovered notebook"), output) from error
    return Recovered(
        notebook=target,
        ended=replay.ended,
        running=replay.running,
        kept=None if ours else output,
        damaged=replay.damaged + found.damaged,
    )


def _is_cut_off(path: Path) -> bool:
    """Whether the last line is not whole: it had not arrived when the process was killed, so nothing is damaged."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _is_of_the_execution(output: Path, path: Path, written: set[str]) -> bool:
    """Whether the output is what the execution has written; a journal of an earlier version tells by its time only."""
    try:
        if not written:
            return output.stat().st_mtime_ns <= path.stat().st_mtime_ns
        return digest_of(output.read_bytes()) in written
    except FileNotFoundError:
        return True


def _beside(output: Path) -> Path:
    for number in range(1, 1000):
        name = f"{output.stem}.recovered{f'-{number}' if number > 1 else ''}{output.suffix}"
        if not os.path.lexists(found := output.with_name(name)):
            return found
    raise NotFoundError(_("There is no free name for a copy of {name}.").format(name=output.name))
