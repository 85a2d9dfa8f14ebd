"""Stale marks: what it takes to say how each of 300 cells stands after 1,000 executions."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness import Result, interleave, main, median

from jupyter_mlops.cells.chronicle import Chronicle
from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.slicing import Target, slice_of
from jupyter_mlops.cells.staleness import stale
from jupyter_mlops.engine.cell_source import source_hash

CELLS, EXECUTIONS = 300, 1000
#: Seconds, for the front end to mark cells while a person types.
LIMIT = 0.020


def source(number: int) -> str:
    """A cell that reads some of those above and makes one; some grow a list."""
    reads = ", ".join(f"v{number - back}" for back in (1, 7, 31) if number >= back)
    grows = f"log{number}.append(1)" if number % 10 == 0 else "pass"
    writes = f"save(v{number}, 'out{number}.csv')" if number % 11 == 0 else "pass"
    return f"# Step {number}\nv{number} = max([0, {reads}])\n{grows}\n{writes}"


def session() -> list[Execution]:
    """A session in which the notebook ran from the top, and cells of it again."""
    records: list[Execution] = []
    versions: dict[str, str] = {}
    again = [place for place in range(CELLS) if place % 10]
    places = [*range(CELLS), *(again * 3)[: EXECUTIONS - CELLS]]
    for sequence, number in enumerate(places):
        names = [f"v{number - back}" for back in (1, 7, 31) if number >= back]
        reads = {name: versions[name] for name in names}
        key = source_hash(f"{number} {sorted(reads.items())}")
        made, grown = f"v{number}", f"log{number}" if number % 10 == 0 else ""
        records.append(
            {
                "kind": "execution", "id": f"e{sequence}", "key": key, "cell_id": f"c{number}", "count": sequence + 1,
                "source": source(number), "source_hash": source_hash(source(number)), "status": "succeeded",
                "reads": reads, "written": [made], "changed": [grown] if grown else [],
                "deleted": [], "kept": [], "opaque": [],
                "values": {made: {"type": "pandas.core.frame.DataFrame"}},
                "groups": [[made], *([[grown]] if grown else [])],
                "files_read": {"data.csv": "d"} if number % 9 == 0 else {},
                "files_written": {f"out{number}.csv": "w"} if number % 11 == 0 else {}, "modules": {}, "data": {},
                "generators": {}, "seeded": [], "options": {}, "options_after": {}, "calls": ["builtins.print"],
                "effects": [], "runs": [], "runs_open": [],
            }
        )  # fmt: skip
        versions |= {made: f"{key}:{made}"}
    return records


def run(quick: bool) -> list[Result]:
    """Time the marks from nothing, with the session gone through before, after edits, and a slice."""
    records = session()
    cells = [(f"c{number}", source(number)) for number in range(CELLS)]
    edited = [
        (cell_id, f"{text}\n# edited" if place % 10 == 0 else text) for place, (cell_id, text) in enumerate(cells)
    ]
    past = Chronicle(records)
    cases: dict[str, Callable[[], object]] = {
        "stale cells, from the records": lambda: stale(cells, records),
        "stale cells, session gone through": lambda: stale(cells, past),
        "stale cells, one in ten edited": lambda: stale(edited, past),
        "slice of a variable": lambda: slice_of(records, Target("variable", f"v{CELLS - 1}")),
    }
    measured = interleave({name: lambda do=do: _timed(do) for name, do in cases.items()}, 5 if quick else 25)
    return [
        Result(
            f"{name} ({CELLS} cells, {EXECUTIONS} executions)",
            median(times),
            LIMIT,
            median(times) / LIMIT,
            "≤ 20 ms",
            median(times) <= LIMIT,
            rounds={"ours": times},
        )
        for name, times in measured.items()
    ]


def _timed(do: Callable[[], object]) -> float:
    began = time.thread_time()  # nothing waits in it: what else the machine does is left out
    do()
    return time.thread_time() - began


if __name__ == "__main__":
    main(__doc__ or "", run)
