"""Writing a notebook through Jupyter's contents manager, so that its hooks run and other extensions hear of it."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async

from ..versioning.notebook_files import write_notebook

#: Longest time that the contents manager may take, seconds.
_SAVE_S = 120.0
_logger = logging.getLogger(__name__)


class NotebookWriter:
    """Writes notebooks from threads while the contents manager works on the event loop."""

    def __init__(self, contents_manager: Any, root: Path, loop: asyncio.AbstractEventLoop):
        self._contents_manager = contents_manager
        self._root = root.resolve()
        self._loop = loop

    def __call__(self, file: Path, content: bytes) -> None:
        """Write a notebook's file. It has exactly these bytes afterwards, whatever a hook would rather have written.

        What the contents manager can't write (no valid notebook, a file that it does not see) is written past it.
        """
        try:
            path = file.relative_to(self._root).as_posix()
            model = {"type": "notebook", "format": "json", "content": json.loads(content)}
            asyncio.run_coroutine_threadsafe(self._save(model, path), self._loop).result(_SAVE_S)
        except Exception as error:
            _logger.debug("The contents manager did not write %s: %r", file, error)
        if not file.is_file() or file.read_bytes() != content:
            write_notebook(file, content)

    async def _save(self, model: dict[str, Any], path: str) -> None:
        await ensure_async(self._contents_manager.save(model, path))
