"""The tables of the results."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from typing import Any

Line = dict[str, Any]

_WORST = 10


def tables(lines: list[Line]) -> str:
    """Return the results as Markdown: a row for each package, the causes, what is wrong, the slowest recordings."""
    latest = list({(each["package"], each["notebook"]): each for each in lines}.values())
    packages = list(dict.fromkeys(each["package"] for each in latest))
    header = ["", *packages]
    rows = [header, ["---", *("---:" for _ in packages)]]
    for what, count in _ROWS:
        rows.append([what, *(count([each for each in latest if each["package"] == package]) for package in packages)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([table, _causes(latest), _wrong(latest), _slowest(latest)])


def _ran(lines: list[Line]) -> list[Line]:
    return [each for each in lines if not each["excluded"]]


def _excluded(lines: list[Line]) -> str:
    causes = Counter(each["excluded"].partition(":")[0] for each in lines if each["excluded"])
    return ", ".join(f"{number} {cause}" for cause, number in causes.most_common()) or "0"


def _results(kind: str) -> Callable[[list[Line]], str]:
    def count(lines: list[Line]) -> str:
        had = [each["results"][kind] for each in _ran(lines) if kind in each["results"]]
        told = [each for each in had if not each.startswith("not told")]
        return f"{told.count('equal')} of {len(told)}"

    return count


def _cached(lines: list[Line]) -> str:
    actions = _sum(lines, "actions")
    cells = sum(actions.values())
    return f"{100 * actions['cached'] / cells:.0f} %" if cells else "–"


def _sum(lines: list[Line], field: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in _ran(lines):
        found.update(each[field])
    return found


def _slices(lines: list[Line]) -> str:
    had = [each for line in _ran(lines) for each in line["slices"].values()]
    told = [each for each in had if each != "unsteady"]
    return f"{told.count('equal')} of {len(told)}"


def _slice_size(lines: list[Line]) -> str:
    whole = sum(each["slice_of"] for each in _ran(lines))
    return f"{100 * sum(each['slice_cells'] for each in _ran(lines)) / whole:.0f} %" if whole else "–"


def _stale(lines: list[Line]) -> str:
    ran = _ran(lines)
    marked, needless = sum(each["stale"] for each in ran), sum(each["stale_needless"] for each in ran)
    return f"{sum(len(each['stale_missed']) for each in ran)} / {marked} / {needless}"


def _saved(lines: list[Line]) -> str:
    plain = sum(each["plain_wall"] for each in _ran(lines))
    return f"{100 * (1 - sum(each['again'] for each in _ran(lines)) / plain):.0f} %" if plain else "–"


def _timed(lines: list[Line]) -> list[Line]:
    return [each for each in _ran(lines) if each.get("cpu_recorded")]


def _recording(lines: list[Line]) -> str:
    plain, recorded = (sum(each[field] for each in _timed(lines)) for field in ("cpu_plain", "cpu_recorded"))
    return f"+{100 * (recorded / plain - 1):.0f} %" if plain else "–"


def _recording_median(lines: list[Line]) -> str:
    each = [(line["cpu_recorded"] - line["cpu_plain"]) / line["cells"] for line in _timed(lines)]
    return f"{1000 * statistics.median(each):.0f} ms" if each else "–"


#: What a row is called, and what it says of a package's results.
_ROWS: tuple[tuple[str, Callable[[list[Line]], str]], ...] = (
    ("notebooks tried", lambda lines: str(len(lines))),
    ("left out", _excluded),
    ("run", lambda lines: str(len(_ran(lines)))),
    ("their cells", lambda lines: str(sum(each["cells"] for each in _ran(lines)))),
    ("variables compared", lambda lines: str(sum(each["variables"] - each["untold"] for each in _ran(lines)))),
    ("resumed after a failure: equal", _results("resume")),
    ("run again: equal", _results("again")),
    ("one cell edited: equal", _results("edit")),
    ("slices run alone: equal", _slices),
    ("cells in these slices", _slice_size),
    ("stale cells: missed / marked / needlessly", _stale),
    ("cells taken from the cache when run again", _cached),
    ("time saved by that", _saved),
    ("CPU for recording, keeping and resuming", _recording),
    ("the same, for a cell, median of the notebooks", _recording_median),
)


def _causes(lines: list[Line]) -> str:
    left_out = Counter(
        f"{each['package']}: {each['excluded']}"
        for each in lines
        if each["excluded"] not in ("", "network", "too long")
    )
    again = Counter(_why(why) for each in _ran(lines) for why in each["whys"])
    return "\n".join(
        [
            "Left out for other causes:",
            "",
            *(f"- {cause} ({number})" for cause, number in sorted(left_out.items())),
            "",
            "Why cells ran that were not taken from the cache:",
            "",
            *(f"- {cause} ({number})" for cause, number in again.most_common(15)),
        ]
    )


def _why(why: str) -> str:
    action, _colon, text = why.partition(": ")
    for known in ("which is not what it was", "could not be kept", "may set state", "options", "has changed"):
        if known in text:
            kept = text.partition("could not be kept: ")[2].rpartition(": ")[2]
            return f"{action}: … {known}{f' ({kept})' if kept else ''}"
    return f"{action}: {text}"


def _wrong(lines: list[Line]) -> str:
    found = []
    for each in _ran(lines):
        for kind, result in {**each["results"], **each["slices"]}.items():
            if result not in ("equal", "unsteady") and not result.startswith("not told"):
                found.append(f"- {each['package']}: {each['notebook']}: {kind}: {result}")
        found += [f"- {each['package']}: {each['notebook']}: stale missed: {place}" for place in each["stale_missed"]]
        found += [f"- {each['package']}: {each['notebook']}: record incomplete: {why}" for why in each["incomplete"]]
    return "\n".join([f"Wrong results: {len(found)}", "", *found])


def _slowest(lines: list[Line]) -> str:
    worst = sorted(_timed(lines), key=lambda each: each["cpu_plain"] - each["cpu_recorded"])[:_WORST]
    return "\n".join(
        [
            "Where recording, keeping and resuming took most CPU (seconds plain, seconds with them, cells):",
            "",
            *(
                f"- {e['package']}: {e['notebook']}: {e['cpu_plain']:.1f}, {e['cpu_recorded']:.1f}, {e['cells']}"
                for e in worst
            ),
        ]
    )
