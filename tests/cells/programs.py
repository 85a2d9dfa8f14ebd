"""Random cells: small programs over a few names, with aliases, branches, functions, classes and errors."""

from __future__ import annotations

import functools
from collections.abc import Callable

from hypothesis import strategies as st

#: What a notebook's namespace holds before: numbers and lists, some of them the same object.
NAMES = "abcdefgh"
_names = st.sampled_from(NAMES)


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines] or ["    pass"]


@functools.cache  # a strategy is checked when it is first drawn from
def template(text: str) -> st.SearchStrategy[str]:
    """Fill the places ``@`` of a template with names."""
    parts = text.split("@")
    return st.lists(_names, min_size=len(parts) - 1, max_size=len(parts) - 1).map(
        lambda names: "".join(part + name for part, name in zip(parts, [*names, ""], strict=True))
    )


EXPRESSIONS = st.sampled_from(
    (
        "1", "@", "@", "@ + @", "[@, @]", "[@]", "len(@)", "@[0]", "@ if @ else @", "@ and @", "@ or (@ := [@])",
        "@ == @", "not @", "[@ for @ in @]", "[(@, @) for @ in @ if @]", "sum(@ for @ in @)", "[(@ := i) for i in @]",
        "{1: @}.get(1)", "(lambda @: @)(@)", "(lambda: @)()", "f'{@}'", "list(@)", "sorted(@, key=lambda i: str(@))",
        "@.copy()", "@ is @", "@ in @", "(@, @)",
    )
).flatmap(template)  # fmt: skip

_SIMPLE = st.sampled_from(
    (
        "@ = @", "@ = @", "@ += @", "@.append(@)", "@[0] = @", "del @[0]", "del @", "@.extend(@)", "@, @ = @, @",
        "@, *@ = @", "@.pop()", "assert @", "@ = @ = @", "@[0].append(@)", "import math as @", "raise ValueError(@)",
        "@.clear()", "@ = iter(@)", "next(@)", "@: int = @",
    )
).flatmap(template)  # fmt: skip

#: A class of which reading an object changes it: a property, items, its length, its text, operators.
_ACTS = (
    "class @:\n    n = 0\n    def act(self, *others):\n        self.n += 1\n        return @\n    p = property(act)\n"
    "    __getitem__ = __add__ = __getattr__ = act\n    def __len__(self):\n        self.n += 1\n        return 2\n"
    "    def __repr__(self):\n        self.n += 1\n        return 'C'\n    def __iadd__(self, other):\n"
    "        other.append(self.n)\n        return self"
)
#: Cells that change objects without a call of them, and names that begin with underscores.
READING = st.sampled_from(
    (
        _ACTS, _ACTS, "@ = @()", "@ = @()", "@ = @()", "@ = @.p", "@ = @.p", "@ = @[0]", "@ = len(@)", "@ = f'{@}'",
        "@ = @ + @", "@ += @", "@ = [@][0]", "@ = not @", "@ = @.missing", "@.p",
        "@ = collections.defaultdict(list)", "@ = collections.defaultdict(list, k=@)", "@ = @['k']", "@ = @['l']",
        "@ = len(@)", "@ = iter(@)", "@ = iter([1, 2])", "@, @ = @", "@, *@ = @", "@ = [*@]", "@[:] = @",
        "(@, @), = [@]", "@ = 1 in @", "@ = weakref.ref(@)", "@ = weakref.ref(@)", "@().n = 4", "@ = @().n",
        "__x = @", "__x = 1", "@ = __x", "__x.append(@)", "del __x", "_y = @", "@ = _y",
    )
).flatmap(template)  # fmt: skip

_assignments = st.tuples(_names, EXPRESSIONS).map(lambda pair: [f"{pair[0]} = {pair[1]}"])


def _blocks(body: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    def block(*heads: str) -> st.SearchStrategy[list[str]]:
        def build(filled: tuple[tuple[str, ...], list[list[str]]]) -> list[str]:
            lines: list[str] = []
            for head, inner in zip(*filled, strict=True):
                lines += [head, *_indented(inner)]
            return lines

        bodies = st.lists(body, min_size=len(heads), max_size=len(heads))
        return st.tuples(st.tuples(*(template(head) for head in heads)), bodies).map(build)

    def called(head: str, call: str) -> st.SearchStrategy[list[str]]:
        return st.tuples(block(head), template(call)).map(lambda pair: [*pair[0], pair[1]])

    function: Callable[[str], st.SearchStrategy[list[str]]] = block
    return st.one_of(
        block("if @:", "else:"),
        block("if @:"),
        block("for @ in @:"),
        block("for i in range(2):", "else:"),
        block("try:", "except Exception as @:"),
        block("try:", "finally:"),
        block("try:", "except TypeError:", "else:", "finally:"),
        block("with contextlib.suppress(Exception):"),
        block("with contextlib.nullcontext(@) as @:"),
        block("match @:\n    case [@, *@]:", "if @:").map(_match),
        function("def @(@=@):"),
        function("def @():\n    global @"),
        called("def f():\n    global @", "f()"),
        called("def f(@):", "@ = f(@)"),
        called("def f(@):\n    nonlocal_ = @", "g = f\ng(@)"),
        called("class C(object):", "@ = C.@"),
        called("class C:\n    @ = @\n    def m(self, @):", "C().m(@)"),
        called("@.sort\ndef f():".replace("@.sort", "@(lambda function: function)"), "f()"),
    )


def _match(lines: list[str]) -> list[str]:
    """The body of a ``case`` stands one level deeper than the strategy put it."""
    text: list[str] = []
    deeper = False
    for line in lines:
        if line.startswith("match"):
            text += line.split("\n")
            deeper = True
        elif deeper and line.startswith("    "):
            text.append(f"    {line}")
        else:
            deeper = False
            text.append(line)
    return text


def _joined(bodies: list[list[str]]) -> list[str]:
    return [line for body in bodies for line in body]


_statements = st.recursive(
    st.one_of(_SIMPLE.map(lambda line: [line]), _assignments),
    lambda inner: _blocks(st.lists(inner, min_size=1, max_size=3).map(_joined)),
    max_leaves=6,
)


@st.composite
def cells(draw: st.DrawFn) -> str:
    """A cell's source; it always compiles, and may raise when it runs."""
    source = "\n".join(_joined(draw(st.lists(_statements, min_size=1, max_size=5))))
    try:
        compile(source, "cell", "exec")
    except SyntaxError:  # e.g. a name that is a parameter and global
        return draw(_names) + " = 1"
    return source
