"""How executions belong together through files: who wrote what another one read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .chronicle import OUTSIDE, Chronicle, files_written, touched
from .file_digests import FOLDER
from .record import Execution

#: Digests that tell nothing about what was read.
UNTOLD = frozenset({"changed", "unreadable", "large"})
MISSING = "missing"
#: A mode in which a file that is there is added to, or changed in place.
_ADDS = re.compile(r"""["'](?:[rwxabt]*a[rwxabt]*\+?|r[bt]?\+[bt]?|append)["']""")
#: What makes a file anew, whatever was there.
_ANEW = re.compile(
    r"""["']w[bt]?\+?[bt]?["']|\b(?:to_[a-z]+|write_\w+|savefig|save\w*|dump|copy\w*|move|rename|replace|mkdir"""
    r"""|makedirs|remove|unlink|rmtree|rmdir|touch)\s*\("""
)


def goes_on(record: Execution) -> bool:
    """Whether the files that an execution wrote may hold what was in them before. In doubt they do."""
    return bool(_ADDS.search(record["source"])) or not _ANEW.search(record["source"])


def paths_needed(record: Execution) -> list[str]:
    """Return the files whose state before an execution had a part in what it did."""
    needed = dict.fromkeys(record.get("files_read", {}))
    for path, digest in files_written(record).items():
        if digest == MISSING or goes_on(record):  # to delete or rename a file it must be there
            needed[path] = None
    return list(needed)


def writers_of(past: Chronicle, index: int, path: str) -> Iterator[tuple[int, str]]:
    """Yield the executions before one that had a part in the state in which it found a file, each with the path."""
    last = past.last_writer(path, index)
    if last != OUTSIDE:
        yield last, path
        if _is_other_than_left(past, index, path, last):
            yield from ((each, path) for each in _maybe_writers(past, last, index))
    folder = f"{path.rstrip('/')}/"
    for other in past.writers:
        if other.startswith(folder):  # it read a folder's listing
            each = past.last_writer(other, index)
            if each != OUTSIDE:
                yield each, other


def folder_makers(past: Chronicle, index: int) -> Iterator[tuple[int, str]]:
    """Yield the executions before one that made the folders of its files."""
    record = past.records[index]
    for path in (*record.get("files_read", ()), *files_written(record)):
        parts = path.split("/")
        for end in range(1, len(parts)):
            folder = "/".join(parts[:end])
            each = past.last_writer(folder, index) if folder else OUTSIDE
            if each != OUTSIDE:
                yield each, folder


def _is_other_than_left(past: Chronicle, index: int, path: str, last: int) -> bool:
    """Whether a file was read in another state than the one in which its last writer left it."""
    found = past.records[index].get("files_read", {}).get(path, "")
    if FOLDER in (found, files_written(past.records[last])[path]):  # of which nothing counts but that it is there
        return False
    return bool(found) and found not in UNTOLD and found != files_written(past.records[last])[path]


def _maybe_writers(past: Chronicle, after: int, before: int) -> Iterator[int]:
    """Yield the executions that may have written to a file that an earlier one had opened."""
    for index in range(after + 1, before):
        record = past.records[index]
        if (
            record.get("changed")
            or record.get("deleted")
            or any(name in record.get("reads", ()) for name in touched(record))
        ):
            yield index
