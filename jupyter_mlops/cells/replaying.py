"""Recording in a kernel that runs executed cells again elsewhere, to compare them with what they did before.

Beside the record, two things are written that only this kernel can tell: digests of values and displays with the
original folder in place of this one (``Path.cwd()`` must not count as different), and which displays hold something
that is never the same twice, an address in memory or a random identifier.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ..journal import Journal
from ..workspace import Workspace
from .digests import UndigestibleError, digest_of
from .recorder import Recorder, active

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

#: Environment variable with the folder in which the cells ran before.
ORIGINAL_VARIABLE = "MLOPS_REPLAY_OF"
#: The second journal, in ``.mlops/`` of the workspace of the replay.
RELOCATED = "relocated.jsonl"
_DEPTH = 6
_ITEMS = 10_000
_NEVER_TWICE = re.compile(
    r"\b0x[0-9a-fA-F]{6,16}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b|T_[0-9a-f]{5}"
)


class Relocating:
    """Writes what the record would be in the original folder, for each execution."""

    def __init__(self, shell: InteractiveShell, recorder: Recorder, here: str, original: str):
        self._shell = shell
        self._recorder = recorder
        self._here, self._original = here, original
        self._journal = Journal(recorder.workspace.state / RELOCATED)
        self._outputs: list[str] = []

    def start(self) -> None:
        """Begin with the next cell. To be called after the recorder's start: it reads the record that is made."""
        self._shell.events.register("post_run_cell", self._after)
        for publisher in (self._shell.display_pub, self._shell.displayhook):
            if hasattr(publisher, "register_hook"):
                publisher.register_hook(self._displayed)

    def _displayed(self, message: dict[str, Any]) -> dict[str, Any]:
        data = message.get("content", {}).get("data") or {}
        if data and self._recorder.execution:
            text = "\0".join(f"{kind}\0{data[kind]}" for kind in sorted(data))
            moved = text.replace(self._here, self._original)
            digest = hashlib.blake2b(moved.encode("utf-8", "replace"), digest_size=16).hexdigest()
            self._outputs.append("" if _NEVER_TWICE.search(text) else digest)
        return message

    def _after(self, _result: ExecutionResult) -> None:
        record, outputs = self._recorder.last, self._outputs
        self._outputs = []
        if record is None or self._recorder.execution:
            return
        values = {}
        for name in record.get("values", {}):
            value = self._shell.user_ns.get(name)
            moved = relocated(value, self._here, self._original)
            if moved is not value:
                try:
                    values[name] = digest_of(moved, self._shell.user_ns)
                except UndigestibleError:
                    continue
        self._journal.append({"kind": "relocated", "execution": record["id"], "values": values, "outputs": outputs})


def relocated(value: Any, here: str, original: str, depth: int = _DEPTH) -> Any:
    """Return a value with one folder in place of another in its texts and paths; the value itself where it has none."""
    kind = type(value)
    if kind is str:
        return value.replace(here, original) if here in value else value
    if isinstance(value, PurePath):
        return Path(str(value).replace(here, original)) if here in str(value) else value
    if depth and kind in (list, tuple, set, frozenset) and len(value) <= _ITEMS:
        items = [relocated(each, here, original, depth - 1) for each in value]
        return kind(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if depth and kind is dict and len(value) <= _ITEMS:
        moved = {
            relocated(key, here, original, depth - 1): relocated(each, here, original, depth - 1)
            for key, each in value.items()
        }
        same = all(a is b and value[a] is moved[b] for a, b in zip(value, moved, strict=True))
        return value if len(moved) == len(value) and same else moved
    return value


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Switch recording on, with digests of all values however long they take."""
    workspace = Workspace.locate()
    if workspace is None or active() is not None:
        return
    original = os.environ.pop(ORIGINAL_VARIABLE, "") or str(workspace.root)
    recorder = Recorder(shell, workspace, unlimited=True)
    recorder.start()
    Relocating(shell, recorder, str(workspace.root), original).start()
