"""The record of one cell execution, as it lies in the journal and in the store: JSON values only."""

from __future__ import annotations

import hashlib
import json
from typing import Final, Literal, TypedDict

from .names import HISTORY

#: Version of a name to which nothing is bound.
ABSENT: Final = "absent"
#: Grows when records of before can't be compared with those of after.
FORMAT: Final = 3

Status = Literal["running", "succeeded", "failed", "interrupted", "died", "cached"]


class Value(TypedDict, total=False):
    """What is known of a variable after an execution that wrote or changed it."""

    type: str
    #: Digest of its content; missing where it has none or it would have taken too long.
    digest: str
    #: All names that share objects with it, sorted; missing where it is alone.
    group: list[str]
    #: Names of the notebook that its functions use.
    reads: list[str]
    writes: list[str]
    opaque: bool
    #: Reading it may change it: by operators, properties, unpacking.
    acts: bool


class Execution(TypedDict, total=False):
    """One run of one cell. Paths are workspace paths where they lie in the workspace, else absolute."""

    kind: Literal["execution"]
    format: int
    id: str
    session: str
    #: Place in the session, from 1.
    sequence: int
    notebook: str
    cell_id: str
    #: IPython's number of the execution (``In [7]``).
    count: int
    #: The message that asked for it.
    message: str
    source: str
    source_hash: str
    #: Seconds since 1970, and how long it took.
    started_at: float
    seconds: float
    status: Status
    error: str
    #: Names read → the version that they had.
    reads: dict[str, str]
    written: list[str]
    changed: list[str]
    deleted: list[str]
    #: Written, or left as they were.
    kept: list[str]
    values: dict[str, Value]
    #: How the variables that it touched belong together after it, those that are alone among them.
    groups: list[list[str]]
    files_read: dict[str, str]
    files_written: dict[str, str]
    #: Files whose time of change or mode it asked for → both, as text.
    file_times: dict[str, str]
    #: Why its result may follow from more than is recorded here, or more may follow from it: ``reads NAME`` and
    #: ``writes NAME`` (files that Python does not see), ``asks NAME`` (the time), ``draws NAME`` (unseeded numbers).
    doubts: list[str]
    #: Data read through connections and datasets → version.
    data: dict[str, str]
    #: The user's own modules → digest of their source.
    modules: dict[str, str]
    #: Their files → the module.
    module_files: dict[str, str]
    #: Files that would have been taken for these, or for modules that its imports did not find: there were none.
    module_places: list[str]
    #: Global random generators that it used → digests of their state before and after.
    generators: dict[str, tuple[str, str]]
    #: Those that it set before it can have used them.
    seeded: list[str]
    #: Options of libraries and the process that were not the defaults → digests, before and after.
    options: dict[str, str]
    options_after: dict[str, str]
    environment: str
    #: What it asked the process: ``$NAME`` (an environment variable), ``$`` (all of them), ``sys.argv`` → digest.
    process: dict[str, str]
    #: MLflow runs that were active in it, and those that were still open when it ended.
    runs: list[str]
    runs_open: list[str]
    network: list[str]
    programs: list[str]
    #: Threads and tasks that were still running when it ended.
    background: int
    #: Why its names can't be told from its code.
    opaque: list[str]
    #: Calls of libraries' functions whose result is thrown away, or whose names say that they set something: they may
    #: set state that no variable shows.
    calls: list[str]
    #: Names it read through which it reaches the workbench or MLflow: it may log, read inputs, publish.
    workbench: list[str]
    #: Names that share objects, joined by commas → digest of their values together.
    group_digests: dict[str, str]
    #: Shell commands and magics that change the process.
    effects: list[str]
    #: Variables of which libraries may have got the objects, and those that functions among them read; and which of
    #: those that were given before it may have changed.
    given: list[str]
    given_names: list[str]
    given_changed: list[str]
    #: Digests of what it displayed, in order.
    outputs: list[str]
    #: Version of what libraries and modules had in them that was set before it (:mod:`.hidden`); missing where it runs
    #: no code that could use that.
    hidden: str
    #: Hash of all that its result follows from; empty where that can't be told.
    key: str
    pipeline_run_id: str
    step: str
    attempt: int
    #: With status ``cached``: the execution whose results were taken.
    taken_from: str
    #: A jump to an earlier state of the variables: the execution after which they were so; ``start``: before the first.
    restored: str
    #: Why parts of this record are missing.
    incomplete: str


def key_of(record: Execution) -> str:
    """Return the hash of what an execution's result follows from, 32 hexadecimal digits; empty where that is open.

    Equal keys: the same code on the same versions of variables, files, data, modules, options and environment.
    """
    if why_no_key(record):
        return ""
    parts = {
        "format": FORMAT,
        "source": record["source_hash"],
        "reads": sorted(record["reads"].items()),
        "files": sorted(record["files_read"].items()),
        "data": sorted(record["data"].items()),
        "modules": sorted(record["modules"].items()),
        "generators": sorted((k, v[0]) for k, v in record["generators"].items() if k not in record["seeded"]),
        "options": sorted(record["options"].items()),
        "environment": record["environment"],
        "process": sorted(record.get("process", {}).items()),
    }
    if record.get("file_times"):
        parts["file times"] = sorted(record["file_times"].items())
    if record.get("hidden"):
        parts["hidden"] = record["hidden"]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def why_no_key(record: Execution) -> str:
    """Say what makes an execution's result follow from more than its record holds; empty: nothing."""
    if record["status"] != "succeeded":
        return record["status"]
    if record.get("incomplete"):
        return "incomplete"
    for what in ("network", "programs"):
        if record[what]:
            return what
    if record["background"]:
        return "background"
    if record.get("doubts"):
        return "doubts"
    if reads_history(record):
        return "history"
    if "changed" in record.get("modules", {}).values():
        return "files"
    if any(digest in ("changed", "unreadable", "large") for digest in record["files_read"].values()):
        return "files"
    if any(each[0] == "unknown" and name not in record["seeded"] for name, each in record["generators"].items()):
        return "generators"
    if "unknown" in record["options"].values():
        return "options"
    return ""


def reads_history(record: Execution) -> bool:
    """Whether an execution read outputs or code of earlier ones by their numbers."""
    return any(HISTORY.fullmatch(each) for each in record.get("opaque", ()))
