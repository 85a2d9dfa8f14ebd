"""What other areas build on: looking into cells without running them, and handing variables on as files.

``service`` answers questions about what was recorded; this is for those who go through the records themselves.
"""

from __future__ import annotations

from .chronicle import files_written, regroup, touched
from .digests import UndigestibleError, digest_of
from .entries import Entries, cache_folder
from .names import Names, imported_by
from .policy import sets_up
from .record import ABSENT, Execution, Value
from .shown import readers
from .slice_files import goes_on
from .staleness import stale
from .unrun import ATOMIC_TYPES, code_of, guess
from .value_errors import NotKeptError
from .value_files import keep_together, read_group, together
from .value_refusals import refusal_by_name

__all__ = [
    "ABSENT",
    "ATOMIC_TYPES",
    "Entries",
    "Execution",
    "Names",
    "NotKeptError",
    "UndigestibleError",
    "Value",
    "cache_folder",
    "code_of",
    "digest_of",
    "files_written",
    "goes_on",
    "guess",
    "imported_by",
    "keep_together",
    "read_group",
    "readers",
    "refusal_by_name",
    "regroup",
    "sets_up",
    "stale",
    "together",
    "touched",
]
