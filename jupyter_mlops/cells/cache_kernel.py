"""What the planner of a headless notebook (``planner.py``) asks in the kernel. Answers are JSON texts."""

from __future__ import annotations

import json
from dataclasses import asdict

from ..engine.cell_source import source_hash
from ..i18n import gettext as _
from .cache import CellCache, Decision
from .recorder import active

_cache: CellCache | None = None
#: Hash of the cell that was asked about last.
_source = ""


def begin() -> str:
    """Switch the cache on in this kernel; return why it can't be, empty where it can."""
    global _cache
    recorder = active()
    if recorder is None:
        return _("cells are not recorded in this kernel")
    recorder.observer.variables.unlimited = True
    _cache = CellCache(recorder.observer, recorder.workspace, session=recorder.session)
    return ""


def before(source: str, cell_id: str = "", must_run: str = "") -> str:
    """Decide about the next cell (:class:`.cache.Decision`); where it runs, what it may read is there.

    ``must_run``: why it runs in any case.
    """
    global _source
    cache, _source = _cache, source_hash(source)
    if cache is None:
        return json.dumps(asdict(Decision("run", _("there is no cache"))))
    recorder = active()
    if recorder is not None and recorder.last is not None:  # also where it failed, or its outputs were too large
        cache.note_ran(recorder.last)
    try:
        decision = cache.before(source, must_run)
        if decision.action == "take" and cache.taken is not None and recorder is not None:
            recorder.note_taken(cache.taken, source, cell_id)
    except Exception as error:  # in doubt all cells run, from the first
        decision = cache.lost(f"{type(error).__name__}: {error}"[:500])
    return json.dumps(asdict(decision))


def after(outputs: str) -> str:
    """Keep what the cell that has just run made; ``outputs``: the blob with its outputs."""
    recorder = active()
    if _cache is None or recorder is None or recorder.last is None:
        return ""
    if recorder.last["source_hash"] != _source:  # another cell's
        return ""
    return _cache.after(recorder.last, outputs)


def started_over() -> str:
    """Take all variables for unknown: the cells so far were run again, unrecorded."""
    recorder = active()
    if recorder is not None:
        recorder.observer.variables.all_may_have_changed(f"{recorder.session}-again")
        recorder.observer.hidden.lose(f"{recorder.session}-again")
    return ""
