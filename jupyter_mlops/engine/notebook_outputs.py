"""Bounding what is kept of a cell's output: an endless ``print`` must fill neither the memory nor the notebook.

The first half of the limit is kept as it comes. What follows is kept as a moving tail, because the last lines before
an error tell most; between the two stands a note of what was left out.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..i18n import gettext as _

#: Kept of one cell's output, characters (about bytes). A notebook above some tens of MB opens slowly anywhere.
CELL_OUTPUT_LIMIT = 8 * 1024 * 1024
#: Kept of one traceback, characters.
_TRACEBACK_LIMIT = 200_000
#: Charged for each output besides its content, so that a million empty ones come to an end too.
_OVERHEAD = 200


class CellOutputs:
    """The outputs of one running cell, appended in place to ``outs`` (the cell's list)."""

    def __init__(self, outs: list[Any], limit: int = CELL_OUTPUT_LIMIT):
        self._outs = outs
        self._limit = limit
        self.clear()

    def clear(self) -> None:
        """Forget everything: the cell cleared its output."""
        self._kept = 0
        self._left_out = 0
        self._stream: Any = None  # the stream output that grows now, its text in pieces
        self._pieces: list[str] = []
        self._note: Any = None
        self._tail: deque[str] = deque()
        self._tail_size = 0

    @property
    def outs(self) -> list[Any]:
        """The cell's list of outputs."""
        return self._outs

    @property
    def left_out(self) -> int:
        """Characters that came and are not kept."""
        return self._left_out

    @property
    def kept(self) -> int:
        """Characters that are kept, about."""
        return self._kept + self._tail_size

    def state(self) -> dict[str, Any]:
        """Return, as JSON values, what :meth:`resume` needs beside the outputs. Call :meth:`write` before."""
        note = next((n for n, out in enumerate(self._outs) if out is self._note), None)
        growing = self._stream is not None  # then it is the last output
        tail = "".join(self._tail)
        return {"kept": self._kept, "left_out": self._left_out, "note": note, "tail": tail, "growing": growing}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where another one that had these outputs was."""
        self.clear()
        self._kept, self._left_out = state["kept"], state["left_out"]
        if state["note"] is not None:
            self._note = self._outs[state["note"]]
            self._tail, self._tail_size = deque([state["tail"]]), len(state["tail"])
        elif state["growing"]:
            self._stream = self._outs[-1]
            self._pieces = [self._stream["text"]]

    @property
    def full(self) -> bool:
        """Whether the first half of the limit is used up."""
        return self._kept >= self._limit // 2

    def add(self, output: Any) -> Any:
        """Append one output (an nbformat node); return the node that now holds it, or None if it was left out."""
        kind = output["output_type"]
        if kind == "stream":
            return self._add_text(output)
        self._end_stream()
        if kind == "error":
            output["traceback"] = _shorten_lines(output.get("traceback", []))
            self._outs.append(output)
            return output
        size = _size(output.get("data", {})) + _OVERHEAD
        if self._kept + size > self._limit:  # a small result after much text still finds its place
            self.leave_out(size)
            return None
        self._kept += size
        self._outs.append(output)
        return output

    def _add_text(self, output: Any) -> Any:
        text = output["text"]
        if self.full:
            self._keep_in_tail(text)
            return None
        room = self._limit // 2 - self._kept
        if self._stream is None or self._stream["name"] != output["name"]:
            self._end_stream()
            self._stream = output
            self._outs.append(output)
            self._kept += _OVERHEAD
        self._pieces.append(text[:room])
        self._kept += min(len(text), room)
        if len(text) > room:
            self._keep_in_tail(text[room:])
        return self._stream

    def _keep_in_tail(self, text: str) -> None:
        self.leave_out(0)
        half = self._limit // 2
        if len(text) > half:
            self._left_out += len(text) - half
            text = text[-half:]
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0]) >= half:
            dropped = len(self._tail.popleft())
            self._tail_size -= dropped
            self._left_out += dropped

    def leave_out(self, size: int) -> None:
        """Take note of output that is not kept, in characters."""
        self._left_out += size
        if self._note is None:
            self._end_stream()
            from nbformat.v4 import new_output

            self._note = new_output("stream", name="stdout", text="")
            self._outs.append(self._note)

    def _end_stream(self) -> None:
        self._write_stream()
        self._stream, self._pieces = None, []

    def _write_stream(self) -> None:
        if self._stream is not None:
            text = "".join(self._pieces)
            self._pieces = [text]
            self._stream["text"] = text

    def write(self) -> None:
        """Put the collected text into the nodes, before the notebook is saved or the cell is done."""
        self._write_stream()
        if self._note is not None:
            tail = "".join(self._tail)
            self._left_out += max(0, len(tail) - self._limit // 2)
            tail = tail[-(self._limit // 2) :]
            self._tail = deque([tail] if tail else [])
            self._tail_size = len(tail)
            note = ""
            if self._left_out:
                note = _("\n[{size:.1f} MB of this cell's output are left out here; {limit:.0f} MB are kept]\n").format(
                    size=self._left_out / 1e6, limit=self._limit / 1e6
                )
            self._note["text"] = note + tail


def _size(data: Any) -> int:
    """Return about how many characters a mime bundle takes in the file."""
    if isinstance(data, str):
        return len(data)
    if isinstance(data, dict):
        return sum(len(str(key)) + _size(value) for key, value in data.items())
    if isinstance(data, list):
        return sum(_size(item) for item in data)
    return 8


def _shorten_lines(lines: list[str]) -> list[str]:
    """Keep the first and last lines of a long traceback (endless recursion)."""
    total = sum(map(len, lines))
    if total <= _TRACEBACK_LIMIT:
        return lines
    head: list[str] = []
    tail: list[str] = []
    for side, source in ((head, lines), (tail, reversed(lines))):
        used = 0
        for line in source:
            if used + len(line) > _TRACEBACK_LIMIT // 2:
                side.append(line[: _TRACEBACK_LIMIT // 2 - used])
                break
            used += len(line)
            side.append(line)
    return [*head, _("[the middle of the traceback is left out]"), *reversed(tail)]
