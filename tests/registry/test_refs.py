"""References to model versions as people write them."""

from __future__ import annotations

import pytest

from jupyter_mlops.errors import InvalidInputError
from jupyter_mlops.registry.refs import VersionRef, parse_ref


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("delay", VersionRef("delay")),
        ("delay/latest", VersionRef("delay")),
        ("delay/3", VersionRef("delay", version="3")),
        ("delay/007", VersionRef("delay", version="7")),
        ("delay@champion", VersionRef("delay", alias="champion")),
        ("models:/delay@champion", VersionRef("delay", alias="champion")),
        ("Verspätung New York/12", VersionRef("Verspätung New York", version="12")),
        ("it's", VersionRef("it's")),
    ],
)
def test_references_that_mean_something(text: str, meant: VersionRef) -> None:
    assert parse_ref(text) == meant


@pytest.mark.parametrize(
    "text",
    ["", "  ", "@champion", "/3", "delay/x", "delay/-1", "delay/1/2", "delay@", "delay@a b", "delay@v1", "delay@Latest",
     "a:b", 'a"b', "a\nb", "\ud800", "..", "x" * 257, "delay/99999999999"],
)  # fmt: skip
def test_references_that_mean_nothing_are_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_ref(text)
    assert caught.value.why or caught.value.next
