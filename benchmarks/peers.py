"""Install the programs that benchmarks compare with, each in an environment of its own below ``.make/peers``."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent / ".make" / "peers"

#: Name → requirements. papermill and nbclient come with the product; a peer of their own version is not needed.
PEERS: dict[str, list[str]] = {
    "kishu": ["kishu==0.3.4", "ipykernel", "numpy", "pandas<3"],
}


def main() -> None:
    """Make the environments that are not there yet."""
    wanted = sys.argv[1:] or list(PEERS)
    for name in wanted:
        folder = ROOT / name
        if (folder / "ready").exists():
            continue
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", *PEERS[name]], check=True)
        (folder / "ready").touch()
    print(f"peers: {', '.join(wanted) or 'none needed'}")


if __name__ == "__main__":
    main()
