"""Where the notebooks come from: examples in source distributions, taken apart as their own documentation does it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PLACE = ROOT / ".make" / "galleries"
#: What the examples import beside the product's own dependencies, and what takes them apart.
REQUIREMENTS = ["sphinx-gallery", "scikit-image", "seaborn", "statsmodels", "plotly", "pooch"]
#: Files beside an example that it may read are copied up to this size in all, bytes.
_BESIDE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gallery:
    """The examples of one package."""

    #: Its distribution, of the version that is installed.
    package: str
    #: Patterns below the source distribution.
    patterns: tuple[str, ...]
    #: What most of its examples import: kernels come with it loaded.
    imports: tuple[str, ...]


GALLERIES = {
    each.package: each
    for each in (
        Gallery(
            "scikit-learn",
            ("examples/**/*.py",),
            ("numpy", "scipy.stats", "pandas", "matplotlib.pyplot", "sklearn", "sklearn.ensemble", "sklearn.datasets"),
        ),
        Gallery("matplotlib", ("galleries/**/*.py",), ("numpy", "matplotlib.pyplot", "matplotlib.animation")),
        Gallery("scikit-image", ("doc/examples/**/*.py",), ("numpy", "scipy.ndimage", "matplotlib.pyplot", "skimage")),
        Gallery("networkx", ("examples/**/*.py",), ("numpy", "matplotlib.pyplot", "networkx")),
        Gallery(
            "statsmodels",
            ("examples/notebooks/*.ipynb",),
            ("numpy", "pandas", "matplotlib.pyplot", "statsmodels.api", "statsmodels.formula.api"),
        ),
        Gallery("seaborn", ("doc/_tutorial/*.ipynb", "doc/_docstrings/*.ipynb"), ("numpy", "pandas", "seaborn")),
    )
}


@dataclass(frozen=True, slots=True)
class Example:
    """One notebook."""

    package: str
    #: Path below the source distribution.
    name: str
    file: Path

    def cells(self) -> list[str]:
        """Return the sources of its code cells. Raises ``SyntaxError``, ``ValueError``."""
        if self.file.suffix == ".ipynb":
            cells = json.loads(self.file.read_text(encoding="utf-8"))["cells"]
            sources = ["".join(each["source"]) for each in cells if each["cell_type"] == "code"]
        else:
            from sphinx_gallery.py_source_parser import split_code_and_text_blocks

            blocks = split_code_and_text_blocks(str(self.file))[1]
            sources = [block[1].strip("\n") for block in blocks if block[0] == "code"]
        return [source for source in sources if source.strip()]

    def lay_out(self, folder: Path) -> None:
        """Copy what lies beside the example, for it may read that."""
        size = 0
        for each in sorted(self.file.parent.iterdir()):
            if each.is_file() and each.suffix not in (".ipynb", ".rst", ".md", ".txt") and each != self.file:
                size += each.stat().st_size
                if size <= _BESIDE:
                    shutil.copy2(each, folder / each.name)


def examples(package: str) -> Iterator[Example]:
    """Yield a package's examples, downloading its source distribution first where it is not there."""
    folder = _unpacked(package)
    for pattern in GALLERIES[package].patterns:
        for file in sorted(folder.glob(pattern)):
            if file.name not in ("__init__.py", "conf.py", "conftest.py"):
                yield Example(package, str(file.relative_to(folder)), file)


def _unpacked(package: str) -> Path:
    from importlib.metadata import version

    stem = f"{package.replace('-', '_')}-{version(package)}"
    folder = PLACE / "sources" / stem
    if not folder.exists():
        archive = _download(package, version(package), PLACE / "archives")
        with tarfile.open(archive) as opened:
            opened.extractall(folder.parent / f"{stem}.new", filter="data")
        (top,) = (folder.parent / f"{stem}.new").iterdir()
        top.rename(folder)
        shutil.rmtree(folder.parent / f"{stem}.new")
    return folder


def _download(package: str, version: str, to: Path) -> Path:
    """Fetch a source distribution from where pip is set up to look, without pip's attempt to build it."""
    to.mkdir(parents=True, exist_ok=True)
    code = (
        "import sys; from pip._internal.commands import create_command\n"
        "from pip._internal.network.download import Downloader\n"
        "name, version, to = sys.argv[1:]\n"
        "command = create_command('download')\n"
        "options, _ = command.parse_args(['--no-binary', ':all:', '--no-deps', name])\n"
        "with command.main_context():\n"
        "    session = command.get_default_session(options)\n"
        "    found = command._build_package_finder(options, session).find_all_candidates(name)\n"
        "    link = next(each.link for each in found if str(each.version) == version and not each.link.is_wheel)\n"
        "    print(Downloader(session, 'off')(link, to)[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, package, version, str(to)], check=True, stdout=subprocess.PIPE
    )
    return Path(done.stdout.decode().strip().splitlines()[-1])


def environment() -> Path:
    """Make the environment in which the examples run, once; return its Python.

    It has what the product's own has, by links, and the packages that the examples import besides. Nothing is
    installed into the product's.
    """
    folder = PLACE / "environment"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        (packages,) = folder.glob("lib/python*/site-packages")
        own = Path(next(each for each in sys.path if each.endswith("site-packages")))
        passing = packages / "product.pth"  # pip then finds what is there, and leaves it alone
        passing.write_text(f"{own}\n")
        subprocess.run([str(python), "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
        passing.unlink()
        for each in own.iterdir():
            with contextlib.suppress(FileExistsError):
                (packages / each.name).symlink_to(each)
        (folder / "ready").touch()
    return python


def read_lines(file: Path) -> list[dict[str, object]]:
    """Return the results of before; a line that was cut off by a stop is left out."""
    found = []
    if file.exists():
        for line in io.StringIO(file.read_text(encoding="utf-8")):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found
