"""Time travel: what keeping states costs each cell, and how long it takes to go back, beside Kishu.

Real kernels side by side, cell by cell in turns: one keeps states, one has the record alone, one runs Kishu (from
``make bench-peers``; left out where that was not done).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Result, interleave, median
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from peers import ROOT

KISHU = ROOT / "kishu" / "bin" / "python"
SET_UP = "import numpy as np, pandas as pd\nt = 1\ndf = pd.DataFrame({'a': range(10)})"
LARGE = "big = pd.DataFrame(np.zeros((1_000_000, 119)))"  # 0.95 GB: SQLite, in which Kishu keeps, takes no more
SMALL = "k = t + {n}\nm = df.a + k"
MODULE = "__import__('jupyter_mlops.cells.timetravel.kernel', fromlist=['_'])"
#: Rows of 8 bytes in a column of the frame that differs.
SIZES = {"1 value": 1, "100 MB": 12_500_000, "0.95 GB": 119_000_000}


class Kernel:
    """One kernel; times are those of the reply, as a person waits for it."""

    def __init__(self, folder: Path, python: Path, load: list[str]):
        self.manager = KernelManager(kernel_name="python3")
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="bench", language="python")
        # Kishu takes the kernel's id from this name.
        self.manager.connection_file = str(folder / f"kernel-{uuid.uuid4()}.json")
        environment = {**os.environ, "MLOPS_WORKSPACE": str(folder), "HOME": str(folder), "ENV_KISHU_TEST_MODE": "true"}
        self.manager.start_kernel(cwd=str(folder), env=environment)
        self.client: Any = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.number = 0
        for code in (*load, SET_UP):
            self.run(code)

    def run(self, code: str) -> float:
        """Run a cell; return seconds from asking to the reply."""
        began = time.perf_counter()
        reply = self.client.execute(code, reply=True, timeout=600)
        took = time.perf_counter() - began
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"].get("traceback", [])))
        return took

    def silently(self, code: str) -> float:
        """Run code that is no cell."""
        began = time.perf_counter()
        reply = self.client.execute(code, silent=True, store_history=False, reply=True, timeout=600)
        took = time.perf_counter() - began
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"].get("traceback", [])))
        return took

    def value(self, expression: str) -> str:
        """Return what an expression is, as text."""
        content = self.client.execute("", silent=True, user_expressions={"v": expression}, reply=True, timeout=600)
        return str(content["content"]["user_expressions"]["v"]["data"]["text/plain"]).strip("'")

    def small(self) -> float:
        """Run a small cell of a text of its own, and leave it the time that a person leaves."""
        self.number += 1
        took = self.run(SMALL.format(n=self.number))
        time.sleep(0.02)
        return took

    def end(self) -> None:
        """Shut it down."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Ours(Kernel):
    """Keeps states, or has the record alone."""

    def __init__(self, folder: Path, *, travel: bool):
        folder.mkdir()
        text = f"[cells]\ntime_travel = {json.dumps(travel)}\ntime_travel_gb = 20.0\n"
        (folder / "mlops.toml").write_text(text, encoding="utf-8")
        super().__init__(folder, Path(sys.executable), ["%load_ext jupyter_mlops"])

    def here(self) -> str:
        """Return the state that it is in, when it is written."""
        self.silently(f"{MODULE}.required().travel.keeper.finish()")
        return self.value(f"{MODULE}.required().travel.states.here")

    def go(self, state: str, then: str) -> float:
        """Go to a state."""
        return self.silently(f"assert 'error' not in {MODULE}.go('goto', {state!r})\n{then}")


class Peer(Kernel):
    """Runs Kishu."""

    def __init__(self, folder: Path):
        folder.mkdir()
        notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "n.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        super().__init__(folder, KISHU, ["from kishu import init_kishu\ninit_kishu('n.ipynb')"])

    def here(self) -> str:
        """Return the commit that it is at."""
        return self.value("_kishu._kishu_graph.head()")

    def go(self, state: str, then: str) -> float:
        """Check a commit out, the variables alone."""
        return self.silently(f"_kishu.checkout({state!r}, skip_notebook=True)\n{then}")


def run(quick: bool) -> list[Result]:
    """Measure small cells, small cells beside a gigabyte, and going back and forth."""
    place = Path(tempfile.mkdtemp(prefix="mlops-travel-"))
    kernels: list[Kernel] = []
    try:
        kernels.append(ours := Ours(place / "ours", travel=True))
        kernels.append(record := Ours(place / "record", travel=False))
        peer = Peer(place / "peer") if KISHU.exists() else None
        if peer is not None:
            kernels.append(peer)
        rounds = 40 if quick else 300
        results = _cost("a small cell", ours, record, peer, rounds)
        for kernel in kernels:
            kernel.run(LARGE)
        ours.here()
        # Kishu looks at the frame after each cell, which takes seconds.
        results += _cost("a small cell, 0.95 GB frame in scope", ours, record, peer, 6 if quick else 40)
        for kernel in kernels:
            kernel.run("del big")
        for size, rows in SIZES.items():
            results += _checkout(size, rows, ours, peer, 4 if quick else 15)
        return results
    finally:
        for kernel in kernels:
            kernel.end()
        shutil.rmtree(place, ignore_errors=True)


def _cost(name: str, ours: Kernel, record: Kernel, peer: Kernel | None, rounds: int) -> list[Result]:
    cases: dict[str, Callable[[], float]] = {"ours": ours.small, "record": record.small}
    if peer is not None:
        cases["peer"] = peer.small
    measured = interleave(cases, rounds, warm_up=min(10, rounds // 4))
    costs = [one - other for one, other in zip(measured["ours"], measured["record"], strict=True)]
    cost, mine, without = median(costs), median(measured["ours"]), median(measured["record"])
    target = f"≤ 2 ms more than the record at p50 (is {cost * 1000:+.2f} ms)"
    found = [Result(f"states kept: {name}", mine, without, mine / without, target, cost <= 0.002, rounds=measured)]
    if peer is not None:
        theirs = median(measured["peer"])
        found.append(Result(f"{name}, beside Kishu", mine, theirs, mine / theirs, "≤ 1", mine <= theirs))
    return found


def _checkout(size: str, rows: int, ours: Ours, peer: Peer | None, rounds: int) -> list[Result]:
    """Two states that differ in one frame, gone to in turns; then with all that was put back read once."""
    both: list[Ours | Peer] = [ours] if peer is None else [ours, peer]
    states: dict[int, list[str]] = {}
    for number, kernel in enumerate(both):
        for value in (1.0, 2.0):
            kernel.run(
                f"frame = pd.DataFrame({{'a': np.full({rows}, {value}), 'b': 0}}) if {rows} == 1 else "
                f"pd.DataFrame({{'a': np.full({rows}, {value})}})"
            )
            states.setdefault(number, []).append(kernel.here())
    results = []
    for what, then in (("", ""), (", and read", "float(frame.a.sum())")):

        def measure(number: int, then: str = then) -> float:
            states[number].reverse()
            return both[number].go(states[number][0], then)

        cases = {"ours": lambda: measure(0)}
        if peer is not None:
            cases["peer"] = lambda: measure(1)
        measured = interleave(cases, rounds)
        mine = median(measured["ours"])
        theirs = median(measured["peer"]) if peer is not None else None
        results.append(
            Result(
                f"go to a state that differs by {size}{what}",
                mine,
                theirs,
                mine / theirs if theirs else None,
                "≤ 1 s and ≤ Kishu",
                mine <= 1 and (theirs is None or mine <= theirs),
                rounds=measured,
            )
        )
    return results


if __name__ == "__main__":
    from harness import main

    main(__doc__ or "", run)
