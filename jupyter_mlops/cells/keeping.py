"""Keeping what a cell that ran has made: which variables, in which groups, and which are rather made again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..i18n import gettext as _
from .entries import Entry, Group
from .hidden import of_process
from .modules import is_of_local_module
from .record import Execution
from .values import Kept, NotKeptError, keep

if TYPE_CHECKING:
    from .blobs import BlobStore
    from .variables import Variables

#: Variables above this size are kept only where running the cell again would take longer than writing them.
_LARGE = 64 * 1024 * 1024
#: Bytes per second until something large was written. A guess too high costs one slow write, after which the true
#: figure is known; one too low would never be found out.
_WRITE_SPEED = 1e9


class Keeper:
    """Writes the results of cells to the store of values."""

    def __init__(self, variables: Variables, blobs: BlobStore):
        self._variables = variables
        self._blobs = blobs
        self._write_speed = _WRITE_SPEED

    def keep(self, entry: Entry, record: Execution) -> None:
        """Keep what the cell bound and changed; the entry then has its groups, and what is not kept with the reason.

        Raises :class:`MlopsError` where the store can't be written.
        """
        for names in self._together(record):
            self._keep(entry, names, record["seconds"])

    def _together(self, record: Execution) -> list[list[str]]:
        """Return the groups to keep; small values that can't change are kept in one."""
        groups = self._variables.partition({*record["written"], *record["changed"]})
        alone = [group[0] for group in groups if len(group) == 1 and self._is_small_and_frozen(group[0])]
        return [*(group for group in groups if group[0] not in alone or len(group) > 1), *([alone] if alone else [])]

    def _is_small_and_frozen(self, name: str) -> bool:
        reached = self._variables.reached[name]
        return not reached.ids and not reached.truncated and reached.size < 1024 and not reached.uses.reads

    def _keep(self, entry: Entry, names: list[str], seconds: float) -> None:
        variables = self._variables
        size = max(variables.reached[name].size for name in names)
        if size > _LARGE and size / self._write_speed > seconds:
            entry["not_kept"][names[0]] = _("running the cell again takes less time than writing it")
            return
        values = {name: variables.namespace[name] for name in names}
        for name, value in values.items():
            if name in entry["record"]["changed"] and is_of_local_module(value):
                entry["not_kept"][name] = _("importing its module again does not bring back what was changed in it")
                return
            if (owner := of_process(value)) and owner != "logging":  # a logger is found again by its name
                entry["not_kept"][name] = _("it belongs to the process: {owner}").format(owner=owner)
                return
        begun = time.perf_counter()
        try:
            kept = keep(self._blobs, values, variables.namespace)
        except NotKeptError as error:
            entry["not_kept"][error.name] = error.why or str(error)
            return
        self._learn(kept, time.perf_counter() - begun)
        group: Group = {"names": names, "digest": kept.digest, "blobs": list(kept.blobs)}
        entry["groups"].append(group)

    def _learn(self, kept: Kept, seconds: float) -> None:
        """Note how fast this machine writes, with the digests; what was there already says nothing of that."""
        if kept.written > _LARGE:
            self._write_speed = kept.written / max(seconds, 1e-6)
