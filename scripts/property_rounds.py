"""Run the property tests of cells over and over, on new random notebooks each time, until enough examples were seen.

What a full run of the tests looks at is a sample. This is for the long one by hand::

    python scripts/property_rounds.py --examples 100000

Each round is one file of tests in a process of its own, with a seed of its own; as many run at once as there are
cores. Counted is what Hypothesis says has passed. A round that fails is kept, with its seed, in
``.make/properties``; the others go on. The exit status is 1 where one failed.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".make" / "properties"
#: What is checked, and the variable that says with how many examples.
FILES = {
    "the cache": ("tests/cells/test_cache_properties.py", "MLOPS_CELL_EXAMPLES"),
    "stale marks": ("tests/cells/test_stale_properties.py", "MLOPS_CELL_EXAMPLES"),
    "the slice": ("tests/cells/test_slice_properties.py", "MLOPS_CELL_EXAMPLES"),
    "steps from cells": ("tests/pipelines/test_from_cells_properties.py", "MLOPS_CELL_EXAMPLES"),
    "time travel": ("tests/cells/timetravel/test_travel_properties.py", "MLOPS_TRAVEL_EXAMPLES"),
}
#: A round of each takes about as long; sessions of time travel are the slowest.
_SHARE = {"time travel": 4}
#: What tests print of what they counted: cells marked needlessly, for one.
_COUNTED = re.compile(r"^([a-z][^:\n]{10,80}|fresh|stale|slices): (\d+)\.?$", re.MULTILINE)
_PASSING = re.compile(r"- (\d+) passing,")


@dataclass
class Round:
    """What one round came to."""

    what: str
    seed: int
    passing: int
    failed: bool
    counted: dict[str, int]


def run_round(what: str, seed: int, examples: int) -> Round:
    """Run one file of tests; what it printed is kept where it fails."""
    file, variable = FILES[what]
    argv = [sys.executable, "-m", "pytest", "-qs", "-p", "no:xdist", "-p", "no:cacheprovider", "--timeout=0", file]
    argv += [f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"]
    environment = {**os.environ, variable: str(max(examples // _SHARE.get(what, 1), 3))}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace")
    # Of a round that fails nothing is counted: most of its examples are searches for a smaller one.
    passing = 0 if done.returncode else sum(map(int, _PASSING.findall(done.stdout)))
    if done.returncode:
        (KEPT / f"{what.replace(' ', '-')}-{seed}.txt").write_text(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")
    counted = {name: int(number) for name, number in _COUNTED.findall(done.stdout)}
    return Round(what, seed, passing, bool(done.returncode), counted)


def main() -> int:
    """Run rounds and print what each came to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--examples", type=int, default=100_000, help="how many to see in all (100,000)")
    parser.add_argument("--per-test", type=int, default=400, help="how many each test of a round draws (400)")
    parser.add_argument("--minutes", type=float, default=0, help="begin no round after so long (0: no end)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many rounds run at once (cores)")
    parser.add_argument("--only", choices=FILES, action="append", help="one of the properties (all); may be repeated")
    wanted = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    begin, lock = time.monotonic(), Lock()
    seen: collections.Counter[str] = collections.Counter()
    failed: list[Round] = []
    counted: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    names = itertools.cycle(wanted.only or FILES)

    def work() -> None:
        while True:
            with lock:
                late = wanted.minutes and time.monotonic() - begin > wanted.minutes * 60
                if late or sum(seen.values()) >= wanted.examples:
                    return
                what, seed = next(names), random.SystemRandom().randrange(2**32)
            done = run_round(what, seed, wanted.per_test)
            with lock:
                seen[what] += done.passing
                counted[what].update(done.counted)
                if done.failed:
                    failed.append(done)
                state = "FAILED" if done.failed else "passed"
                minutes = (time.monotonic() - begin) / 60
                print(
                    f"{minutes:6.1f} min {sum(seen.values()):8,}  {what}: {done.passing:,} {state}, seed {seed}",
                    flush=True,
                )

    with ThreadPoolExecutor(wanted.jobs) as pool:
        for each in [pool.submit(work) for _ in range(wanted.jobs)]:
            each.result()
    print(f"\n{sum(seen.values()):,} examples passed in {(time.monotonic() - begin) / 60:.0f} minutes:")
    for what, count in seen.items():
        print(f"  {what}: {count:,}")
        for name, number in sorted(counted[what].items()):
            print(f"    {name}: {number:,}")
    for each in failed:
        print(f"  failed: {each.what}, seed {each.seed}: see {KEPT.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
