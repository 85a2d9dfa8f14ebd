"""Where an executed notebook is written: a local file, whole each time, or what papermill else knows (``s3://`` …)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from papermill.iorw import LocalHandler, papermill_io, write_ipynb

from .attempt import write_whole
from .notebook_file import write_notebook


class Target:
    """The place that ``output_path`` names."""

    def __init__(self, output_path: str | Path):
        self.path = str(output_path)
        #: The local file, None for another kind of place.
        self.file = _local_file(self.path)
        self._handler: tuple[str, Any] | None = None

    def write(self, node: Any, *, draft: bool = False, announce: Callable[[bytes], None] | None = None) -> None:
        """Write the notebook. Raises ``OSError``, and whatever a remote store raises.

        ``announce`` gets what is written to a local file, before it is.
        """
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)  # the notebook may have cleared up too much
            write_notebook(node, self.file, draft=draft, announce=announce)
        else:
            write_ipynb(node, self.path)

    def take_over_last_write(self) -> None:
        """Let the write with which papermill ends replace the file whole, too: papermill's own would empty it first."""
        if self.file is not None and self._handler is None:
            self._handler = (self.path, _LastWrite(self, self.file))
            papermill_io.register(*self._handler)

    def give_up_last_write(self) -> None:
        """Leave writing to papermill again."""
        if self._handler in papermill_io._handlers:  # there is no public opposite of register()
            papermill_io._handlers.remove(self._handler)
        self._handler = None


class _LastWrite(LocalHandler):
    """papermill's handler for one path and one write."""

    def __init__(self, target: Target, file: Path):
        super().__init__()
        self._target = target
        self._file = file

    def write(self, buf: str, path: str) -> None:
        """Write ``buf``."""
        self._target.give_up_last_write()
        if path == self._target.path:
            write_whole(self._file, buf)
        else:  # papermill takes a handler by the beginning of a path
            papermill_io.write(buf, path)


def _local_file(path: str) -> Path | None:
    handler = papermill_io.get_handler(path)
    if not isinstance(handler, LocalHandler):
        return None
    folder = handler.cwd(None)  # papermill writes relative to where it was called, not to where the notebook runs
    handler.cwd(folder)
    file = Path(folder or ".", path).resolve()  # a link stays one: what it leads to is replaced
    return file if file.is_file() or not file.exists() else None  # into a pipe or a terminal papermill writes
