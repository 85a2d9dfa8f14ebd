"""What the record says of variables, held against what they are, over random notebooks run cell by cell."""

from __future__ import annotations

import contextlib
import os
import types
from typing import Any

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.code import analyse
from jupyter_mlops.cells.variables import Variables

from .programs import cells
from .sessions import EndlessError, bounded

#: More of them by hand:  VARIABLE_EXAMPLES=20000 pytest tests/cells/test_variables_properties.py
EXAMPLES = int(os.environ.get("VARIABLE_EXAMPLES", "250"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def anatomy(value: Any, seen: set[int] | None = None) -> Any:
    """What a value consists of, with the identities of what can change in it: made without the product's code."""
    seen = set() if seen is None else seen
    if isinstance(value, (int, str, type(None), types.ModuleType, types.BuiltinFunctionType)):
        return repr(value)
    if id(value) in seen:
        return id(value)
    seen.add(id(value))
    parts: list[Any] = [type(value).__name__]
    if not isinstance(value, (tuple, frozenset)):
        parts.append(id(value))
    if isinstance(value, (list, tuple)):
        parts += [anatomy(each, seen) for each in value]
    elif isinstance(value, dict):
        parts += [(anatomy(key, seen), anatomy(each, seen)) for key, each in value.items()]
    elif isinstance(value, types.FunctionType):
        parts += [anatomy(each, seen) for each in (value.__defaults__, value.__kwdefaults__, value.__dict__)]
        parts += [anatomy(each.cell_contents, seen) for each in value.__closure__ or () if _full(each)]
    elif isinstance(value, type):
        parts += [(name, anatomy(each, seen)) for name, each in vars(value).items() if not name.startswith("__")]
    elif hasattr(value, "__reduce__") and type(value).__name__.endswith("iterator"):
        parts += [anatomy(each, seen) for each in value.__reduce__()[1:]]
    elif hasattr(value, "__dict__"):
        parts.append(anatomy(vars(value), seen))
    return tuple(parts)


def _full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def mutable_parts(shape: Any) -> set[int]:
    """The identities in an anatomy."""
    if isinstance(shape, int):
        return {shape}
    return set().union(*map(mutable_parts, shape)) if isinstance(shape, tuple) else set()


@_checks
@given(notebook=st.lists(cells(), min_size=2, max_size=5))
def test_a_variable_with_its_old_version_is_as_it_was(notebook: list[str]) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    hidden = dict(space)
    variables = Variables(space, hidden)
    for number, source in enumerate(["import contextlib\na = [1]\nb = [a, 2]\nc = a\nd = 3", *notebook]):
        code = analyse(source)
        was = {name: anatomy(space[name]) for name in variables.visible()}
        versions = dict(variables.versions)
        # When the cell runs
        before = variables.before(code)
        failed = False
        try:
            with bounded():
                exec(compile(source, "cell", "exec"), space)
        except Exception:
            failed = True
        except EndlessError:
            reject()
        after = variables.after(code, before, failed=failed, seconds=0.001)
        variables.stamp(after, f"execution-{number}")
        # Then whatever keeps its version is the same object with the same parts
        now = {name: anatomy(space[name]) for name in variables.visible()}
        for name, version in variables.versions.items():
            if versions.get(name) == version:
                assert now[name] == was[name], (name, source)
        assert now.keys() == variables.versions.keys()
        # and those that share parts are known to
        parts = {name: mutable_parts(shape) for name, shape in now.items()}
        for one in now:
            for other in now:
                if parts[one] & parts[other]:
                    assert other in variables.groups.of(one), (one, other, source)
    assert contextlib is space.get("contextlib", contextlib)
