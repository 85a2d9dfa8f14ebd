"""Run every benchmark and write the tables of ``benchmarks/README.md`` between their markers."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from harness import Result, table

HERE = Path(__file__).parent
#: ``cells`` is all of ``cells_*`` in one; ``galleries`` takes hours and has tables of its own.
NOT_BENCHMARKS = {"harness", "run_all", "peers", "cells", "galleries"}


def main() -> None:
    """Run, collect, write. Ends with 1 where a benchmark could not be run (a missed target is not an error)."""
    scripts = {each.stem: each for each in sorted(HERE.glob("*.py")) if each.stem not in NOT_BENCHMARKS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(scripts)}; none: all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    asked = parser.parse_args()
    if unknown := set(asked.names) - scripts.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    quick = ["--quick"] if asked.quick else []
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    failed = []
    for name, script in scripts.items():
        if asked.names and name not in asked.names:
            continue
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, str(script), "--json", *quick], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            failed.append(name)
            continue
        results = [Result(**item) for item in json.loads(done.stdout.splitlines()[-1])]
        print(table(results))
        when = datetime.date.today().isoformat()
        where = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        note = f"_{when}, {where}{', quick' if quick else ''}._"
        block = f"<!-- {name}: begin -->\n{table(results)}\n\n{note}\n<!-- {name}: end -->"
        pattern = re.compile(f"<!-- {name}: begin -->.*<!-- {name}: end -->", re.DOTALL)
        if not pattern.search(text):
            text = f"{text.rstrip()}\n\n## {name}\n\n{block}\n"
        text = pattern.sub(lambda _match, block=block: block, text)
        readme.write_text(text, encoding="utf-8")
    if failed:
        sys.exit(f"Could not be run: {', '.join(failed)}")


if __name__ == "__main__":
    main()
