"""What it costs that every save of a notebook is kept as a version: the save itself, and the work behind it.

The save is measured over HTTP at two real Jupyter servers, with and without the extension, in turns. The peer is the
same save without us. The work behind it is measured in this process.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from harness import Result, interleave, main, median
from startup import jupyter


def run(quick: bool) -> list[Result]:
    """Measure all of it."""
    home = Path(tempfile.mkdtemp(prefix="mlops-versions-"))
    try:
        results = [saves(home / "saves", megabytes, 15 if quick else 60) for megabytes in (0.1, 5.0)]
        results.append(report(3000 if quick else 20_000))
        results += [keeping(home / str(megabytes), megabytes, 3 if quick else 10) for megabytes in (0.1, 50.0)]
        return results
    finally:
        shutil.rmtree(home, ignore_errors=True)


def notebook(number: int, megabytes: float) -> dict[str, Any]:
    """Make a notebook of 30 cells; one of them differs from number to number, one has a large output."""
    cells: list[dict[str, Any]] = [
        {
            "id": f"cell-{place}",
            "cell_type": "code",
            "metadata": {},
            "source": f"value_{place} = {number if place == 3 else place}\nprint(value_{place})",
            "execution_count": None,
            "outputs": [],
        }
        for place in range(30)
    ]
    text = "".join(f"{number} {line} {line * 7919 % 10_007}\n" for line in range(int(megabytes * 1e6 / 22)))
    cells[5]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def saves(home: Path, megabytes: float, rounds: int) -> Result:
    """Save a notebook in Jupyter."""
    from jupyter_mlops.workspace import Workspace

    home = home / f"{megabytes:g}"
    numbers = iter(range(1_000_000))

    def save(url: str) -> float:
        content = notebook(next(numbers), megabytes)
        body = json.dumps({"type": "notebook", "format": "json", "content": content}).encode()
        address = f"{url}/api/contents/project/a.ipynb"
        headers = {"Content-Type": "application/json", "Authorization": "token "}
        request = urllib.request.Request(address, data=body, method="PUT", headers=headers)
        begun = time.perf_counter()
        urllib.request.urlopen(request, timeout=60).read()
        took = time.perf_counter() - begun
        time.sleep(0.3 + megabytes / 5)  # a person's pause, in which the version is kept
        return took

    Workspace.init(home / "root" / "project")
    for name in ("with", "without"):
        (home / name).mkdir()
        settings = {"ServerApp": {"disable_check_xsrf": True}}
        (home / name / "jupyter_server_config.json").write_text(json.dumps(settings))
    with jupyter("server", True, home) as (ours, _), jupyter("server", False, home) as (peer, _):
        times = interleave({"ours": lambda: save(ours), "peer": lambda: save(peer)}, rounds, warm_up=3)
    a, b = median(times["ours"]), median(times["peer"])
    added = median([mine - other for mine, other in zip(times["ours"], times["peer"], strict=True)])
    limit = 0.05 * b + 0.001
    target = f"< +{limit * 1000:.1f} ms (is {added * 1000:+.1f} ms)"
    return Result(f"saving a notebook of {megabytes:g} MB in Jupyter", a, b, a / b, target, added < limit, "s", times)


def report(count: int) -> Result:
    """What the save waits for: the post-save hook and the event, each time a line in a queue."""
    import logging

    from jupyter_mlops.extension.notebook_events import NotebookEvents
    from jupyter_mlops.versioning.keeper import NotebookKeeper

    keeper = NotebookKeeper()
    events = NotebookEvents(keeper, lambda path: Path("/nonexistent") / path)
    schema = "https://events.jupyter.org/jupyter_server/contents_service/v1"
    record = logging.makeLogRecord({"msg": {"__schema__": schema, "action": "get", "path": "a.ipynb"}})
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        events.saved("/nonexistent/a.ipynb", model={}, contents_manager=None)
        events.emit(record)
        times.append((time.perf_counter() - begun) * 1000)
    keeper.close(5)
    times.sort()
    p99 = times[int(0.99 * count)]
    return Result("reporting a save to the keeper, p99", p99, None, None, "< 1 ms", p99 < 1, "ms")


def keeping(folder: Path, megabytes: float, rounds: int) -> Result:
    """One version, as the thread makes it."""
    from jupyter_mlops.versioning.notebook_history import NotebookHistory
    from jupyter_mlops.workspace import Workspace

    history = NotebookHistory(Workspace.init(folder))
    file = folder / "a.ipynb"
    times = []
    for number in range(rounds + 1):
        file.write_text(json.dumps(notebook(number, megabytes * 0.9)), encoding="utf-8")
        begun = time.perf_counter()
        history.keep("a.ipynb", cause="save")
        times.append(time.perf_counter() - begun)
    value = median(times[1:])
    return Result(f"keeping a version of {megabytes:g} MB, in the background", value, None, None, "first figure", None)


if __name__ == "__main__":
    main(__doc__ or "", run)
