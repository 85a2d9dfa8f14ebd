"""What all benchmarks share: interleaved rounds, medians, one table, one JSON form.

A benchmark measures *ours* and a *peer* (or a limit) in the same run, one after the other in every round, so that
both meet the same noise. A measurement says what it took; lower is better unless it says otherwise.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field


@dataclass
class Result:
    """One comparison. ``ratio`` is ours / peer; ``holds`` is whether the target is met (null: no target yet)."""

    name: str
    ours: float
    peer: float | None
    ratio: float | None
    target: str
    holds: bool | None
    unit: str = "s"
    #: All rounds, for those who want to see the spread.
    rounds: dict[str, list[float]] = field(default_factory=dict)


def interleave(cases: dict[str, Callable[[], float]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Call every case once in each round, in turns of order; return what they measured, without the warm-up rounds."""
    measured: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(warm_up + rounds):
        names = list(cases) if number % 2 == 0 else list(reversed(cases))
        for name in names:
            value = cases[name]()
            if number >= warm_up:
                measured[name].append(value)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return measured


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def main(description: str, run: Callable[[bool], list[Result]]) -> None:
    """Command line of a benchmark: ``--quick`` ends within a minute or two, ``--json`` ends the output with JSON."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="end the output with a JSON list of the results")
    options = parser.parse_args()
    results = run(options.quick)
    print(table(results))
    if options.json:
        print(json.dumps([asdict(result) for result in results]))


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| what | ours | peer or limit | ratio | target | holds |", "|---|---:|---:|---:|---|---|"]
    for r in results:
        peer = "" if r.peer is None else f"{_number(r.peer)} {r.unit}"
        ratio = "" if r.ratio is None else f"{r.ratio:.2f}"
        holds = {True: "yes", False: "**no**", None: "–"}[r.holds]
        lines.append(f"| {r.name} | {_number(r.ours)} {r.unit} | {peer} | {ratio} | {r.target} | {holds} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
