"""Run every benchmark and write the tables of ``benchmarks/README.md`` between their markers."""

from __future__ import annotations

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
    quick = [a for a in sys.argv[1:] if a == "--quick"]
    named = [a for a in sys.argv[1:] if not a.startswith("-")]
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    failed = []
    for script in sorted(HERE.glob("*.py")):
        name = script.stem
        if name in NOT_BENCHMARKS or (named and name not in named):
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
