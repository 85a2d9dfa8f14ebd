"""Everything a person can use is described where it is defined, and named on a page that somebody wrote."""

from __future__ import annotations

import re

import click
import pytest
from mlops_reference import inventory, pages

from .conftest import DOCS


@pytest.fixture(scope="module")
def environment() -> str:
    return (DOCS / "reference" / "environment.md").read_text(encoding="utf-8")


def test_every_command_has_help_and_a_place_in_a_guide(guides: str) -> None:
    commands = inventory.commands()

    assert [name for name, command in commands.items() if not (command.help or "").strip()] == []
    leaves = [name for name, command in commands.items() if not isinstance(command, click.Group)]
    assert leaves
    assert [name for name in leaves if not re.search(rf"\b{re.escape(name)}\b", guides)] == []


def test_every_option_of_a_command_has_help() -> None:
    missing = [
        f"{name} {parameter.opts[0]}"
        for name, command in inventory.commands().items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden and not (parameter.help or "").strip()
    ]

    assert missing == []


def test_every_magic_has_a_description_and_a_place_in_a_guide(guides: str) -> None:
    magics = inventory.magics()

    assert {magic.name for magic in magics} >= {"%mlops", "%%track"}
    assert [magic.name for magic in magics if not magic.doc.strip()] == []
    assert [magic.name for magic in magics if magic.name not in guides] == []


def test_every_public_name_has_a_description_and_a_place_in_a_guide(guides: str) -> None:
    import jupyter_mlops

    names = [name for name in inventory.public_names() if not name.startswith("__")]

    assert names
    assert [name for name in names if not (getattr(jupyter_mlops, name).__doc__ or "").strip()] == []
    assert [name for name in names if not re.search(rf"\bmlops\.{name}\b", guides)] == []


def test_every_public_method_of_a_service_has_a_description() -> None:
    from importlib import import_module

    missing = []
    for name in inventory.services().values():
        module, _, attribute = name.rpartition(".")
        service = getattr(import_module(module), attribute)
        missing += [
            f"{attribute}.{method}"
            for method, value in vars(service).items()
            if callable(value) and not method.startswith("_") and not (value.__doc__ or "").strip()
        ]

    assert missing == []


def test_every_configuration_key_has_a_description_and_a_place_in_a_guide(guides: str) -> None:
    keys = inventory.config_keys()

    assert keys
    assert [key.key for key in keys if not key.description] == []
    assert [key.key for key in keys if not re.search(rf"\[{key.section}\] {key.name}\b", guides)] == []


def test_every_jupyterlab_setting_has_a_title_a_description_and_a_place_in_a_guide(guides: str) -> None:
    schemas = inventory.settings_schemas()
    settings = [
        (f"{plugin}.{name}", each)
        for plugin, schema in schemas.items()
        for name, each in schema.get("properties", {}).items()
    ]

    assert settings
    assert [name for name, each in settings if not each.get("title") or not each.get("description")] == []
    text = " ".join(guides.split())
    assert [name for name, each in settings if each["title"] not in text] == []


def test_every_error_code_has_an_entry_in_troubleshooting() -> None:
    text = (DOCS / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## `([a-z-]+)`$", text, flags=re.MULTILINE)
    codes = inventory.error_codes()

    assert sorted(headings) == sorted(["internal", *(each.code for each in codes)])  # internal: a bug, of no class
    assert headings == sorted(headings)
    assert [each.code for each in codes if not each.doc] == []


def test_the_address_in_an_http_error_leads_to_its_entry() -> None:
    from jupyter_mlops.errors import NotFoundError
    from jupyter_mlops.extension.problems import problem

    address = problem(NotFoundError("No such run."))["type"]

    page = address.removeprefix("https://jupyter-mlops.readthedocs.io/en/latest/")
    assert page == "how-to/troubleshooting.html#not-found"


def test_every_route_has_a_summary_and_stands_in_the_reference() -> None:
    document = inventory.openapi()
    reference = pages.http()

    assert inventory.routes()
    for method, path in inventory.routes():
        assert document["paths"][path][method.lower()]["summary"], f"{method} {path}"
        assert f"### {method} `{path}`" in reference


def test_every_field_that_goes_over_http_stands_in_the_reference() -> None:
    reference = pages.http()

    for name, schema in inventory.openapi()["components"]["schemas"].items():
        assert f"### {name}\n" in reference
        section = reference.split(f"### {name}\n", 1)[1].split("\n### ", 1)[0]
        assert [field for field in schema.get("properties", {}) if f"`{field}`" not in section] == []


def test_every_environment_variable_of_ours_is_described(environment: str) -> None:
    variables = inventory.environment_variables()

    assert "MLOPS_WORKSPACE" in variables
    assert set(re.findall(r"^\| `(MLOPS_\w+)`", environment, flags=re.MULTILINE)) == variables


def test_every_tag_of_ours_is_described(environment: str) -> None:
    tags = inventory.mlflow_tags()

    assert "mlops.snapshot" in tags
    section = environment.split("## MLflow tags", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `(mlops\.\w+)`", section, flags=re.MULTILINE)) == tags


def test_every_topic_of_changes_is_described(environment: str) -> None:
    section = environment.split("## Change events", 1)[1].split("\n## ", 1)[0]

    assert [topic for topic in inventory.topics() if f"| `{topic}`" not in section] == []


def test_every_generated_page_is_linked_from_the_reference() -> None:
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")

    assert [name for name in pages.all_pages() if f"(generated/{name})" not in index] == []


def test_an_undocumented_thing_would_be_noticed() -> None:
    """The lists above are read from the code: something new in the code is in them."""
    from jupyter_mlops.errors import MlopsError

    class FreshError(MlopsError):
        """Only in this test."""

        code = "fresh"

    FreshError.__module__ = "jupyter_mlops.fresh"

    assert "fresh" in {each.code for each in inventory.error_codes()}
    FreshError.__module__ = __name__


def test_every_decision_is_in_the_index_with_its_title_and_status() -> None:
    index = (DOCS / "adr" / "index.md").read_text(encoding="utf-8")

    for number, file in enumerate(sorted(DOCS.glob("adr/0*.md")), start=1):
        text = file.read_text(encoding="utf-8")
        title = re.match(r"# (\d+)\. (.+)\n", text)
        status = re.search(r"^Status: (.+)\.$", text, flags=re.MULTILINE)
        assert title and status, file.name
        assert int(title[1]) == number == int(file.name[:4])
        assert f"| [{number}]({file.name}) | {title[2]} | {status[1]} |" in index
        for part in ("Context", "Decision", "Consequences", "Alternatives"):
            assert f"\n## {part}\n" in text, file.name
