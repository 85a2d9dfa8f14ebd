"""Messages can be extracted, and a translation reaches the person."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from jupyter_mlops import i18n
from jupyter_mlops.errors import NotAWorkspaceError
from jupyter_mlops.workspace import Workspace

from .conftest import ROOT

PACKAGE = ROOT / "jupyter_mlops"
#: Function → how many of its first arguments are messages.
FUNCTIONS = {"_": 1, "gettext": 1, "ngettext": 2}


def test_every_message_is_a_literal_that_can_be_extracted() -> None:
    problems = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name == "i18n.py":  # defines the functions
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
                messages = node.args[: FUNCTIONS[node.func.id]]
                if not all(isinstance(a, ast.Constant) and isinstance(a.value, str) for a in messages):
                    problems.append(f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")

    assert problems == []


def test_a_translation_reaches_the_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "No mlops.toml in this folder or any folder above it."
    assert message in {found[2] for found in extract_from_dir(PACKAGE)}
    catalogue = tmp_path / "locale" / "de" / "LC_MESSAGES"
    catalogue.mkdir(parents=True)
    text = (
        f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "{message}"\nmsgstr "Keine Datei."\n'
    )
    with (catalogue / "jupyter_mlops.mo").open("wb") as out:
        write_mo(out, read_po(text.splitlines()))
    monkeypatch.setattr(i18n, "LOCALE_DIR", tmp_path / "locale")
    monkeypatch.setenv("MLOPS_LANGUAGE", "de")
    i18n._catalogue.cache_clear()

    try:
        with pytest.raises(NotAWorkspaceError) as caught:
            Workspace.find(tmp_path)
    finally:
        i18n._catalogue.cache_clear()

    assert caught.value.why == "Keine Datei."


def test_the_command_of_the_guide_makes_a_template(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "how-to" / "translation.md").read_text(encoding="utf-8")
    command = "pybabel extract --no-wrap --output jupyter_mlops.pot jupyter_mlops"
    assert command in guide

    program, *arguments = command.replace("--output ", f"--output {tmp_path}/").split()
    subprocess.run([Path(sys.executable).with_name(program), *arguments], cwd=ROOT, check=True)

    template = (tmp_path / "jupyter_mlops.pot").read_text(encoding="utf-8")
    assert 'msgid "No mlops.toml in this folder or any folder above it."' in template
