"""What the README says of the product is shown by the tests that it names, and its commands exist."""

from __future__ import annotations

import re

import pytest

from .conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: `| 8.8 | Resume from … | `tests/…::test_…` |`
ROW = re.compile(r"^\| (\d+\.\d+) \| (.+?) \| (.+?) \|$", flags=re.MULTILINE)
TEST = re.compile(r"`([^`]+?)::([^`]+)`")
ROWS = ROW.findall(README)


@pytest.mark.parametrize(("row", "feature", "shown_by"), ROWS, ids=[row for row, *_ in ROWS])
def test_a_feature_is_shown_by_tests_that_exist(row: str, feature: str, shown_by: str) -> None:
    tests = TEST.findall(shown_by)

    assert tests, "the row names no test"
    for path, name in tests:
        text = (ROOT / path).read_text(encoding="utf-8")
        pattern = rf"def {re.escape(name)}\(" if path.endswith(".py") else re.escape(name)
        assert re.search(pattern, text), f"{path} has no test {name!r}"


def test_the_feature_table_is_there_and_in_order() -> None:
    numbers = [tuple(map(int, row.split("."))) for row, *_ in ROWS]

    assert len(numbers) >= 5
    assert numbers == sorted(set(numbers))


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    pages = [README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")]
    named = {
        name for page in pages for name in re.findall(r"(?:`|^\$ |^)make ([a-z][a-z-]*)", page, flags=re.MULTILINE)
    }

    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_every_mlops_command_that_is_named_exists() -> None:
    import click
    from mlops_reference import inventory

    from .conftest import written_pages

    commands = inventory.commands()
    groups = {name for name, command in commands.items() if isinstance(command, click.Group)}
    wrong = set()
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written_pages()]:
        text = page.read_text(encoding="utf-8")
        for words in re.findall(r"(?:`|^\$ )(mlops(?: [a-z][a-z-]*)+)", text, flags=re.MULTILINE):
            parts = words.split()
            name = " ".join(parts[:3]) if " ".join(parts[:2]) in groups and len(parts) > 2 else " ".join(parts[:2])
            if name not in commands:
                wrong.add(f"{page.name}: {name}")

    assert wrong == set()
