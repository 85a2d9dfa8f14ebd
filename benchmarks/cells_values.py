"""What it costs to keep variables and to bring them back: the value store against cloudpickle and joblib.

All write to the same disk and leave it to the operating system when it does so. The peers write what they are given
each time; the store compares first and maps what it reads.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
from harness import Result, interleave, main, median

from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import keep, restore

NOTEBOOK = """
class Point:
    def __init__(self, x):
        self.x = x
        self.near = []

def scale(value):
    return value * factor
"""
Measure = Callable[[], float]
#: Whether a target is met, from ours and the peer's; None: there is none yet.
Holds = Callable[[float, float], bool] | None


class Place:
    """A folder with a store for us and files for the peers."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.file = folder / "peer"
        self.store = BlobStore(folder / "store")
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module  # as in a kernel
        self.ours = self.module.__dict__
        # cloudpickle changes the classes of this process when it loads them, so it gets its own.
        self.peers: dict[str, Any] = {"__name__": "__main__"}
        for namespace in (self.ours, self.peers):
            exec(NOTEBOOK, namespace)

    def clear(self) -> None:
        shutil.rmtree(self.store.folder, ignore_errors=True)
        self.file.unlink(missing_ok=True)

    def keep(self, **values: Any) -> str:
        return keep(self.store, values, self.ours).digest

    def restore(self, digest: str) -> dict[str, Any]:
        return restore(self.store, digest, self.ours)

    def cloudpickle(self, values: Any) -> None:
        with self.file.open("wb") as out:
            cloudpickle.dump(values, out, protocol=5)

    def load(self) -> Any:
        with self.file.open("rb") as content:
            return cloudpickle.load(content)


def seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def result(name: str, times: dict[str, list[float]], target: str, holds: Holds) -> Result:
    ours, peer = median(times["ours"]), median(times["peer"])
    return Result(name, ours, peer, ours / peer, target, holds and holds(ours, peer), "s", times)


def run(quick: bool) -> list[Result]:
    """Measure in a folder of its own."""
    before = sys.modules["__main__"]
    folder = Path(tempfile.mkdtemp(prefix="mlops-values-"))
    try:
        place = Place(folder)
        return [*large(place, quick), *small(place, quick), *objects(place, quick), deduplication(place, quick)]
    finally:
        sys.modules["__main__"] = before
        shutil.rmtree(folder, ignore_errors=True)


def large(place: Place, quick: bool) -> list[Result]:
    """A frame of numbers."""
    size = 0.25 if quick else 1.0
    numbers = np.random.default_rng(0).random((int(size * 1.25e6), 100))
    frame = pd.DataFrame(numbers)
    label = f"a frame of {size:g} GB"
    rounds = 2 if quick else 3
    raw = memoryview(numbers).cast("B")

    def first(write: Callable[[], Any]) -> Measure:
        def measure() -> float:
            place.clear()
            return seconds(write)

        return measure

    def hash_and_write() -> None:
        leaves = [raw[start : start + (1 << 22)] for start in range(0, len(raw), 1 << 22)]
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(lambda leaf: hashlib.sha256(leaf).digest(), leaves))
        with place.file.open("wb", buffering=0) as out:
            for start in range(0, len(raw), 1 << 24):
                out.write(raw[start : start + (1 << 24)])

    ours = first(lambda: place.keep(df=frame))
    results = [
        result(
            f"keep {label}, against cloudpickle to a file, which does not look what is there",
            interleave({"ours": ours, "peer": first(lambda: place.cloudpickle(frame))}, rounds),
            "first figure",
            None,
        ),
        result(
            f"keep {label}, against hashing its bytes and writing them to a file",
            interleave({"ours": ours, "peer": first(hash_and_write)}, rounds),
            "≤ 1.3×",
            lambda a, b: a <= 1.3 * b,
        ),
    ]
    place.clear()
    digest = place.keep(df=frame)
    joblib.dump(frame, place.file)
    results += [
        result(
            f"keep {label} that is there already, against joblib",
            interleave(
                {
                    "ours": lambda: seconds(lambda: place.keep(df=frame)),
                    "peer": lambda: seconds(lambda: joblib.dump(frame, place.file)),
                },
                rounds,
            ),
            "≤ 0.5×",
            lambda a, b: a <= 0.5 * b,
        ),
        result(
            f"restore {label}, against joblib",
            interleave(
                {
                    "ours": lambda: seconds(lambda: place.restore(digest)),
                    "peer": lambda: seconds(lambda: joblib.load(place.file)),
                },
                rounds,
            ),
            "< 0.1 s",
            lambda a, b: a < 0.1,
        ),
        result(
            f"restore {label} and add it up, against joblib",
            interleave(
                {
                    "ours": lambda: seconds(lambda: place.restore(digest)["df"].to_numpy().sum()),
                    "peer": lambda: seconds(lambda: joblib.load(place.file).to_numpy().sum()),
                },
                rounds,
            ),
            "≤ 1×",
            lambda a, b: a <= b,
        ),
    ]
    place.clear()
    return results


def small(place: Place, quick: bool) -> list[Result]:
    """Groups as most cells make them. Each round keeps a value that is not there yet."""
    values: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
        "a list": lambda _notebook, n: {"a": [n, "x", 1.5]},
        "a function": lambda notebook, n: {"scale": notebook["scale"], "n": n},
        "a class and its object": lambda notebook, n: {"Point": notebook["Point"], "p": notebook["Point"](n)},
        "an array of 100 numbers": lambda _notebook, n: {"a": np.full(100, n)},
        "a frame of 5 rows": lambda _notebook, n: {"df": pd.DataFrame({"a": [n] * 5, "b": list("abcde"), "c": 1.5})},
    }
    results = []
    number = iter(range(1_000_000))
    rounds = 50 if quick else 200
    for label, make in values.items():

        def ours(make: Any = make) -> float:
            group = make(place.ours, next(number))
            return seconds(lambda: place.keep(**group))

        def peer(make: Any = make) -> float:
            group = make(place.peers, next(number))
            return seconds(lambda: place.cloudpickle(group))

        times = interleave({"ours": ours, "peer": peer}, rounds, warm_up=20)
        results.append(result(f"keep {label}, against cloudpickle to a file", times, "≤ 1 ms", lambda a, b: a <= 0.001))
        digest = place.keep(**make(place.ours, 0))
        place.cloudpickle(make(place.peers, 0))
        times = interleave(reads(place, digest), rounds, warm_up=20)
        results.append(
            result(f"restore {label}, against cloudpickle from a file", times, "≤ 1 ms", lambda a, b: a <= 0.001)
        )
    place.clear()
    return results


def reads(place: Place, digest: str) -> dict[str, Measure]:
    """Read what was kept, and what the peer has in its file."""
    return {"ours": lambda: seconds(lambda: place.restore(digest)), "peer": lambda: seconds(place.load)}


def objects(place: Place, quick: bool) -> list[Result]:
    """Many objects of Python."""
    count = 100_000 if quick else 300_000

    def points(notebook: dict[str, Any]) -> dict[str, Any]:
        made = [notebook["Point"](n) for n in range(count)]
        for one, two in pairwise(made):
            one.near.append(two.x)
        return {"Point": notebook["Point"], "points": made}

    def texts(_notebook: dict[str, Any]) -> dict[str, Any]:
        n = 5 * count
        return {"texts": pd.DataFrame({"a": [f"text {i % 1000}" for i in range(n)], "b": [str(i) for i in range(n)]})}

    results = []
    rounds = 3 if quick else 7
    for label, make in (
        (f"{count:,} objects of a class of the notebook", points),
        (f"a frame of {10 * count:,} texts", texts),
    ):
        mine, peers = make(place.ours), make(place.peers)

        def ours(group: dict[str, Any] = mine) -> float:
            place.clear()
            return seconds(lambda: place.keep(**group))

        def peer(group: dict[str, Any] = peers) -> float:
            place.clear()
            return seconds(lambda: place.cloudpickle(group))

        times = interleave({"ours": ours, "peer": peer}, rounds)
        results.append(result(f"keep {label}, against cloudpickle", times, "≤ 1.5×", lambda a, b: a <= 1.5 * b))
        digest = place.keep(**mine)
        place.cloudpickle(peers)
        times = interleave(reads(place, digest), rounds)
        results.append(result(f"restore {label}, against cloudpickle", times, "≤ 1.1×", lambda a, b: a <= 1.1 * b))
    place.clear()
    return results


def deduplication(place: Place, quick: bool) -> Result:
    """Ten cells, each of which adds a column to a frame; the frame is kept after each."""
    frame = pd.DataFrame(np.random.default_rng(1).random((100_000 if quick else 400_000, 10)))
    peer = 0
    for number in range(10):
        frame[f"new {number}"] = float(number)
        place.keep(df=frame)
        place.cloudpickle(frame)
        peer += place.file.stat().st_size
    ours = sum(path.stat().st_size for path in place.store.folder.rglob("*") if path.is_file())
    place.clear()
    ratio = ours / peer
    name = "disk for a frame after each of ten cells that add a column, against cloudpickle"
    return Result(name, ours / 1e6, peer / 1e6, ratio, "≤ 0.2×", ratio <= 0.2, "MB")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(__doc__ or "", run)
