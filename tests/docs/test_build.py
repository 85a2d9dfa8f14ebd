"""The site builds without a warning, and every link in it leads somewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import check_links
import mlops_reference
import pytest
from mlops_reference import inventory, pages

from .conftest import DOCS


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_dead_links(tmp_path: Path) -> None:
    site = tmp_path / "html"

    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-d", str(tmp_path / "doctrees"), str(DOCS), str(site)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (built.returncode, built.stderr) == (0, "")
    assert check_links.check_site(site) == []
    cli = (site / "reference" / "generated" / "cli.html").read_text(encoding="utf-8")
    assert [name for name in inventory.commands() if name.replace(" ", "-") not in cli] == []
    api = (site / "reference" / "generated" / "api.html").read_text(encoding="utf-8")
    assert [name for name in inventory.public_names() if f'id="jupyter_mlops.{name}"' not in api] == []


def test_a_page_is_written_when_it_changed_and_removed_when_it_is_no_longer_made(tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    mlops_reference.write(folder)
    assert {file.name for file in folder.iterdir()} == set(pages.all_pages())

    unchanged, changed, stale = folder / "errors.md", folder / "http.md", folder / "gone.md"
    date = unchanged.stat().st_mtime_ns
    changed.write_text("edited by hand", encoding="utf-8")
    stale.write_text("of an older version", encoding="utf-8")
    mlops_reference.write(folder)

    assert unchanged.stat().st_mtime_ns == date
    assert changed.read_text(encoding="utf-8") == pages.http()
    assert not stale.exists()
