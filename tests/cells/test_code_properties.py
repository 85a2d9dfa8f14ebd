"""The names that a cell's code is said to use, held against what running it shows, on random cells."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.code import analyse

from .programs import NAMES, cells

_values = st.one_of(
    st.integers(0, 3), st.lists(st.integers(0, 2), max_size=2), st.lists(st.lists(st.just(1)), max_size=2)
)
#: More of them by hand:  CODE_EXAMPLES=20000 pytest tests/cells/test_code_properties.py
EXAMPLES = int(os.environ.get("CODE_EXAMPLES", "300"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def namespaces(draw: st.DrawFn) -> dict[str, Any]:
    """Values for some of the names; some names hold the same object, or one that another holds within."""
    found: dict[str, Any] = {}
    for name in NAMES:
        kind = draw(st.sampled_from(("missing", "value", "value", "alias", "within")))
        others = sorted(found)
        if kind == "value" or (kind != "missing" and not others):
            found[name] = copy.deepcopy(draw(_values))
        elif kind == "alias":
            found[name] = found[draw(st.sampled_from(others))]
        elif kind == "within":
            found[name] = [found[draw(st.sampled_from(others))]]
    return found


def run(source: str, before: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Run a cell in a copy of the namespace (the values are not copied); return what it is then, and the error."""
    space = {**before, "contextlib": contextlib, "__name__": "__main__"}
    error = ""
    try:
        exec(compile(source, "cell", "exec"), space)
    except Exception as raised:
        error = type(raised).__name__
    return {name: value for name, value in space.items() if not name.startswith("__") and name != "contextlib"}, error


def shown(value: Any, around: tuple[int, ...] = ()) -> str:
    """A value as text that is the same for equal values of two runs."""
    if id(value) in around:
        return f"^{around.index(id(value))}"
    around = (*around, id(value))
    if isinstance(value, (int, str, bool, type(None))):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(shown(each, around) for each in value)})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{shown(key)}: {shown(each, around)}' for key, each in value.items())})"
    return type(value).__name__


def parts(value: Any, seen: set[int]) -> Iterator[int]:
    """The identities of a value's lists: itself and those within."""
    if isinstance(value, list) and id(value) not in seen:
        seen.add(id(value))
        yield id(value)
        for each in value:
            yield from parts(each, seen)


@_checks
@given(source=cells(), before=namespaces(), missing=st.sets(st.sampled_from(NAMES)))
def test_what_is_not_read_has_no_influence(source: str, before: dict[str, Any], missing: set[str]) -> None:
    reads = analyse(source).reads
    # Given two namespaces that agree in what the cell reads, and in nothing else
    read = {name: value for name, value in before.items() if name in reads}
    one_before = {**{name: [[98]] for name in NAMES if name not in reads}, **copy.deepcopy(read)}
    two_before = {**{name: [[97], 1] for name in NAMES if name not in reads | missing}, **copy.deepcopy(read)}
    # When it runs in each
    one, one_error = run(source, one_before)
    two, two_error = run(source, two_before)
    # Then it ends alike, binds the same names, to the same values
    assert one_error == two_error
    for name in sorted(one.keys() | two.keys()):
        bound = [
            name in after and after[name] is not was.get(name, after)
            for after, was in ((one, one_before), (two, two_before))
        ]
        if name in reads:
            assert (name in one) == (name in two), name
            assert shown(one.get(name)) == shown(two.get(name)), name
        else:
            assert bound[0] == bound[1], name
            assert not bound[0] or shown(one[name]) == shown(two[name]), name


@_checks
@given(source=cells(), before=namespaces())
def test_what_is_neither_bound_nor_changed_stays_as_it_is(source: str, before: dict[str, Any]) -> None:
    code = analyse(source)
    was = {name: (id(value), shown(value), set(parts(value, set()))) for name, value in before.items()}
    after, _error = run(source, before)
    touched = code.writes | code.deletes
    for name in (was.keys() | after.keys()) - touched:
        assert name in after and name in was and id(after[name]) == was[name][0], name
    # What holds parts of a changed object changes with it: that is for the record at run time to see.
    changed = {each for name in (code.changes | touched) & was.keys() for each in was[name][2]}
    for name in was.keys() - touched - code.changes:
        if not changed & was[name][2]:
            assert shown(after[name]) == was[name][1], name
