"""Notebooks that others wrote, held against a plain run: the example galleries of scikit-learn and other packages.

Each example is turned into a notebook as its own documentation does it, and run

- plain, with nbclient: what is expected, variables and outputs;
- with the record and the cache, as a step runs, with a cell that fails on purpose; then again with the right one
  (*resume*); then once more (*again*: what is taken from the cache, and why the rest is not);
- with one cell edited, against a plain run of the edited notebook (*edit*); the cells that are then said to be stale
  are held against those that the plain run shows to differ;
- in *slices*: some variables are made again by the cells that their slice names, alone.

Whatever differs, though two plain runs agree on it, is a wrong result. Results are appended to a file, so a run that
was stopped goes on where it was. ``--sample`` takes some notebooks of each package, at random but always the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from galleries import report, sources


def main() -> int:
    """Try notebooks, and print the table of all results so far."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", nargs="*", help=f"of {', '.join(sources.GALLERIES)}; none: all")
    parser.add_argument("--sample", type=int, default=0, help="so many notebooks of each package; 0: all")
    parser.add_argument("--seconds", type=float, default=60, help="longest plain run")
    parser.add_argument("--slices", type=int, default=2, help="slices run of each notebook")
    parser.add_argument("--only", default="", help="notebooks with this in their name, tried afresh")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "galleries" / "results.jsonl")
    parser.add_argument("--table", action="store_true", help="print the table of the results that there are")
    parser.add_argument("--minutes", type=float, default=0, help="begin no notebook after so long")
    options = parser.parse_args()
    if not options.table and os.environ.get("MLOPS_GALLERIES") != "1":
        python = sources.environment()
        environment = {**os.environ, "MLOPS_GALLERIES": "1", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        # Whoever asks the network is answered at once that there is none.
        environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        folders = [str(Path(__file__).parent / "galleries" / "in_kernel"), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
        arguments = [str(python), __file__, *sys.argv[1:]]
        prepare(options.packages or list(sources.GALLERIES))
        return subprocess.run(arguments, env=environment).returncode
    if not options.table:
        end = time.monotonic() + options.minutes * 60 if options.minutes else None
        for package in options.packages or list(sources.GALLERIES):
            try_all(package, options, end)
    print(report.tables(sources.read_lines(options.results)))
    return 0


def prepare(packages: list[str]) -> None:
    """Download what is needed, while there is a network."""
    environment = {**os.environ, "MLOPS_GALLERIES": "1"}
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from galleries import sources\n"
    code += f"for each in {packages!r}: print(each, len(list(sources.examples(each))))"
    subprocess.run([str(sources.environment()), "-c", code], env=environment, check=True)


def try_all(package: str, options: argparse.Namespace, end: float | None) -> None:
    """Try a package's notebooks that have no result yet."""
    from galleries.runs import Runner
    from galleries.trials import Tried

    chosen = sorted(sources.examples(package), key=lambda each: each.name)
    random.Random(package).shuffle(chosen)
    if options.sample:
        chosen = chosen[: options.sample]
    done = {
        each["notebook"]
        for each in sources.read_lines(options.results)
        if each["package"] == package
        and not (each["excluded"] == "too long" and each.get("limit", 0) < options.seconds)  # it has more time now
    }
    chosen = [each for each in chosen if (options.only in each.name if options.only else each.name not in done)]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="mlops-galleries-") as folder:
        runner = Runner(Path(folder), sources.GALLERIES[package].imports)
        try:
            for number, example in enumerate(chosen):
                if end is not None and time.monotonic() > end:
                    return
                began = time.monotonic()
                with tempfile.TemporaryDirectory(prefix="notebook-", dir=folder) as place:
                    tried = Tried(example, runner, Path(place), limit=options.seconds, slices=options.slices)
                    line = {**tried.run(), "revision": revision}
                with options.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                said = line["excluded"] or {**line["results"], "slices": line["slices"], "missed": line["stale_missed"]}
                print(f"{number + 1}/{len(chosen)} {example.name} {time.monotonic() - began:.0f} s: {said}", flush=True)
        finally:
            runner.close()


if __name__ == "__main__":
    sys.exit(main())
