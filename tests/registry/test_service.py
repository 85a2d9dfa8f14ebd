"""Reading the registry, and moving aliases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

import jupyter_mlops as mlops
from jupyter_mlops.cli import cli
from jupyter_mlops.errors import InvalidInputError, NotFoundError
from jupyter_mlops.registry.service import RegistryService
from jupyter_mlops.registry.types import ModelQuery
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import DeploymentRow, EndpointRow
from jupyter_mlops.workspace import Workspace


@pytest.fixture
def service(here: Workspace) -> RegistryService:
    return RegistryService(here)


def add(workspace: Workspace, *names: str) -> None:
    for name in names:
        MlflowClient(workspace.tracking_uri, workspace.tracking_uri).create_registered_model(name)


def add_versions(workspace: Workspace, name: str, count: int) -> None:
    registry = MlflowClient(workspace.tracking_uri, workspace.tracking_uri)
    registry.create_registered_model(name)
    for number in range(count):
        registry.create_model_version(name, source=f"mlops-artifacts:/gone/{number}")


class TestModels:
    def test_an_empty_registry(self, service: RegistryService) -> None:
        assert service.models().items == []

    def test_pages(self, service: RegistryService) -> None:
        add(service.workspace, *(f"model-{number}" for number in range(5)))
        names: list[str] = []
        token = ""
        for size in (2, 2, 1):
            page = service.models(ModelQuery(max_results=2, page_token=token))
            assert len(page.items) == size
            names += [item.name for item in page.items]
            token = page.next_page_token
        assert (names, token) == ([f"model-{number}" for number in range(5)], "")

    @pytest.mark.parametrize("token", ["nonsense", "é", "eyJ9", "AAAA"])
    def test_a_page_token_that_is_none(self, service: RegistryService, token: str) -> None:
        with pytest.raises(InvalidInputError):
            service.models(ModelQuery(page_token=token))

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("lay", ["delay", "it's delay"]),
            ("DELAY", ["delay", "it's delay"]),
            ("it's", ["it's delay"]),
            ("päck", ["gepäck"]),
            ("x", []),
        ],
    )
    def test_search(self, service: RegistryService, search: str, found: list[str]) -> None:
        add(service.workspace, "delay", "gepäck", "it's delay")
        assert [item.name for item in service.models(ModelQuery(search=search)).items] == found

    @pytest.mark.parametrize("search", ['"', "'\"", "a\nb"])
    def test_a_search_that_finds_nothing_by_nature(self, service: RegistryService, search: str) -> None:
        with pytest.raises(InvalidInputError):
            service.models(ModelQuery(search=search))

    def test_names_made_elsewhere_do_not_break_the_list(self, service: RegistryService) -> None:
        add(service.workspace, "a\"b'c", "delay")
        assert {item.name for item in service.models().items} == {"a\"b'c", "delay"}

    def test_versions_are_counted_and_the_newest_come_first(self, service: RegistryService) -> None:
        add_versions(service.workspace, "delay", 12)
        assert [(item.versions, item.latest_version) for item in service.models().items] == [(12, "12")]
        detail = service.model("delay")
        assert [item.version for item in detail.items] == [str(number) for number in range(12, 0, -1)]

    def test_versions_whose_files_are_gone_are_listed_still(self, service: RegistryService) -> None:
        add_versions(service.workspace, "delay", 1)
        assert service.model("delay").items[0].inputs == []

    def test_a_model_that_is_not_there(self, service: RegistryService) -> None:
        with pytest.raises(NotFoundError, match="no registered model delay"):
            service.model("delay")


class TestVersions:
    def test_by_alias_by_number_and_the_latest(self, service: RegistryService) -> None:
        add_versions(service.workspace, "delay", 11)
        service.set_alias("delay", "champion", "2")
        assert service.version("delay@champion").version == "2"
        assert service.version("delay/3").version == "3"
        assert service.version("delay").version == "11"

    @pytest.mark.parametrize(
        ("ref", "says"),
        [("nope", "no registered model nope"), ("delay@champion", "no alias champion"), ("delay/9", "no version 9"),
         ("empty", "has no version")],
    )  # fmt: skip
    def test_what_is_not_there_is_said(self, service: RegistryService, ref: str, says: str) -> None:
        add_versions(service.workspace, "delay", 1)
        add(service.workspace, "empty")
        with pytest.raises(NotFoundError, match=says):
            service.version(ref)

    def test_the_endpoints_where_it_answers(self, service: RegistryService) -> None:
        add_versions(service.workspace, "delay", 2)
        with database(service.workspace).session() as session:
            for name, version, wanted, status in [
                ("live", "2", "running", "ready"),
                ("also", "2", "running", "ready"),
                ("old", "1", "running", "ready"),
                ("off", "2", "stopped", "ready"),
                ("broken", "2", "running", "failed"),
            ]:
                endpoint = EndpointRow(name=name, host="h", port=1, wanted=wanted, deployment_id=f"d-{name}")
                endpoint.created_at = endpoint.updated_at = 0
                session.add(endpoint)
                session.flush()
                deployment = DeploymentRow(id=f"d-{name}", endpoint=name, model="delay", version=version, run_id="")
                deployment.status, deployment.bundle, deployment.created_at = status, "", 0
                session.add(deployment)
        assert service.version("delay/2").endpoints == ["also", "live"]
        assert [item.endpoints for item in service.model("delay").items] == [["also", "live"], ["old"]]


class TestAliases:
    def test_an_alias_moves(self, service: RegistryService) -> None:
        add_versions(service.workspace, "delay", 2)
        assert service.set_alias("delay", "champion", "1").aliases == ["champion"]
        assert service.set_alias("delay", "champion", "2").aliases == ["champion"]
        assert service.model("delay").aliases == {"champion": "2"}
        assert service.version("delay/1").aliases == []

    def test_an_alias_goes(self, service: RegistryService) -> None:
        add_versions(service.workspace, "delay", 1)
        service.set_alias("delay", "champion", "1")
        service.delete_alias("delay", "champion")
        assert service.model("delay").aliases == {}
        with pytest.raises(NotFoundError, match="no alias champion"):
            service.delete_alias("delay", "champion")

    def test_to_a_version_that_is_not_there(self, service: RegistryService) -> None:
        add_versions(service.workspace, "delay", 1)
        for name, version in (("delay", "2"), ("nope", "1")):
            with pytest.raises(NotFoundError):
                service.set_alias(name, "champion", version)

    @pytest.mark.parametrize("alias", ["latest", "V2", "a b", "", "ü/x"])
    def test_an_alias_that_can_not_be(self, service: RegistryService, alias: str) -> None:
        add_versions(service.workspace, "delay", 1)
        with pytest.raises(InvalidInputError):
            service.set_alias("delay", alias, "1")


class TestCommands:
    def run(self, *arguments: str) -> str:
        result = CliRunner().invoke(cli, ["models", *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    def test_the_whole_of_it(self, here: Workspace, classifier: Any, numbers: Any) -> None:
        assert "No model is registered" in self.run("list")
        with mlops.run("train") as run:
            run.log_metric("auc", 0.75)
            mlops.register(classifier, "delay", input_example=numbers)
        assert "delay@champion is version 1 now" in self.run("alias", "delay", "champion", "1")
        assert "champion→1" in self.run("list")
        shown = self.run("show", "delay")
        assert "auc 0.75" in shown and "verspätung: double" in shown
        assert json.loads(self.run("show", "delay@champion", "--json"))["metrics"] == {"auc": 0.75}
        assert json.loads(self.run("list", "--json"))["items"][0]["aliases"] == {"champion": "1"}
        self.run("unalias", "delay", "champion")
        assert "champion" not in self.run("list")
