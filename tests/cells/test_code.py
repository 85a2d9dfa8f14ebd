"""What is known of a cell from its code: names read, bound and changed, with every construct of Python and IPython."""

from __future__ import annotations

import pytest

from jupyter_mlops.cells.code import analyse


def inputs(source: str) -> set[str]:
    """The names of one letter (and those with a capital) that a cell reads: no builtins."""
    return {name for name in analyse(source).reads if len(name) == 1}


def bound(source: str) -> set[str]:
    return set(analyse(source).writes)


def changed(source: str) -> set[str]:
    return {name for name in analyse(source).changes if len(name) == 1}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("y = x + 1", "x"),
        ("x = 1\ny = x", ""),
        ("x += 1", "x"),
        ("x[i] = v", "xiv"),
        ("x.a.b = v", "xv"),
        ("del x", "x"),
        ("a, *b = c", "c"),
        ("x: T = v", "Tv"),
        ("x: T", "T"),
        ("print(f'{x:{w}}')", "xw"),
        ("if c:\n    x = 1\ny = x", "cx"),
        ("if c:\n    x = 1\nelse:\n    x = 2\ny = x", "c"),
        ("for i in r:\n    x = i\ny = x, i", "rxi"),
        ("for i in r:\n    y = x\n    x = i", "rx"),
        ("while c:\n    x = 1\nx", "cx"),
        ("try:\n    x = f()\nexcept E:\n    pass\nx", "fEx"),
        ("try:\n    x = f()\nexcept E:\n    x = 1\nx", "fE"),
        ("try:\n    x = f()\nfinally:\n    x", "fx"),
        ("try:\n    x = 1\nexcept* E as e:\n    e\ne", "Ee"),
        ("with s:\n    x = 1\nx", "sx"),
        ("with open(p) as h:\n    x = h.read()\nx, h", "p"),
        ("match s:\n    case {'k': [a, *b], **c} if a > d:\n        a, b, c\n    case E.A():\n        pass", "sdE"),
        ("[i for i in r if i in s]", "rs"),
        ("[i for i in i]", "i"),
        ("{k: v for a in r for k, v in a.m(z)}", "rz"),
        ("[(y := i) for i in r]\ny", "ry"),
        ("any((y := i) for i in r) and y", "ry"),
        ("c and (y := 1)\ny", "cy"),
        ("(y := 1) and y", ""),
        ("1 < (y := 2) < (z := 3)\ny, z", "z"),
        ("f = lambda a, b=d: a + b + g", "dg"),
        ("def f(a, b=d) -> r:\n    return a + b + g", "dr"),
        ("def f():\n    return g\nf()", "g"),
        ("def f():\n    return g\ng = 1\nf()", ""),
        ("def f():\n    return g\nh = f\ng = 1", "g"),
        ("def f():\n    return h()\ndef h():\n    return g\nf()", "g"),
        ("def f():\n    return f() + g\nf()", "g"),
        ("def f():\n    x = 1\n    def g():\n        return x + y\n    return g\nf()", "y"),
        ("def f():\n    x = 1\n    def g():\n        global x\n        return x\n    return g\nf()", "x"),
        ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x += y\n    return g\nf()", "y"),
        ("def f():\n    class C:\n        x = x\n    return C\nf()", "x"),
        ("def f():\n    x = 1\n    class C:\n        x = x\n    return C\nf()", "x"),
        ("def f():\n    x = 1\n    class C:\n        def m(self):\n            return x\n    return C\nf()", ""),
        ("def f():\n    return [x for x in x]\nf()", "x"),
        ("def f():\n    return [x for x in y if z]\nf()", "yz"),
        ("def f():\n    import a\n    try:\n        pass\n    except E as b:\n        return a, b\nf()", "E"),
        ("def f():\n    for (a, b), c.d in e:\n        pass\nf()", "ce"),
        ("@d\ndef f():\n    return g", "dg"),
        ("async def f():\n    await g\nawait f()", "g"),
        ("class C(B, metaclass=M):\n    x = y\n    z = x\n    def m(self):\n        return w", "BMyw"),
        ("class C:\n    def m(self):\n        return w", ""),
        ("class C:\n    def m(self):\n        return w\nC()", "w"),
        ("class C:\n    x = 1\nx", "x"),
        ("class C:\n    x = 1\n    y = [x for _ in z]", "xz"),
        ("class C:\n    x = 1\n    y = [_ for _ in x]", ""),
        ("class C:\n    x = 1\n    f = lambda: x", "x"),
        ("class C:\n    global x\n    x = 1\nx", ""),
        ("import a.b, c.d as e\na, e", ""),
        ("from m import *\nx", "x"),
        ("x = 1\ndel x\nx", "x"),
        ("%time y = x", "x"),
        ("%timeit -n 5 -r3 y = x", "x"),
        ("%%time\ny = x\nz = y", "x"),
        ("%%timeit q = x\ny = q", "x"),
        ("%%capture o\ny = x\no", "x"),
        ("%%track 'a' -p k=1\ny = x", "x"),
        ("f = !ls {d} $e $$n ${h}\nf", "deh"),
        ("for i in r:\n    %time g(i)\n    !echo {i}", "rg"),
        ("%matplotlib inline\nx?", ""),
        ("%%markdown\n{x} is x", ""),
    ],
)
def test_names_that_are_read_before_they_are_bound(source: str, expected: str) -> None:
    assert inputs(source) == set(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b = c", {"a", "b"}),
        ("x.a = 1\ny[0] = 1", set()),
        ("for i, (j, k) in r:\n    pass", {"i", "j", "k"}),
        ("with a as b, c as (d, e): pass", {"b", "d", "e"}),
        ("[(y := i) for i in r]", {"y"}),
        ("[lambda: (y := 1) for i in r]", set()),
        ("def f():\n    global g\n    g = 1", {"f"}),
        ("def f():\n    global g\n    g = 1\nf()", {"f", "g"}),
        ("try: pass\nexcept E as e: pass", {"e"}),
        ("import a.b.c\nimport d.e as f\nfrom . import g as h", {"a", "f", "h"}),
        ("match s:\n    case [a, {'k': b, **c}] | d: pass", {"a", "b", "c", "d"}),
        ("%timeit y = 1", set()),
        ("%%capture out\ny = 1", {"out", "y"}),
        ("class C:\n    x = 1\n    def m(self): pass", {"C"}),
    ],
)
def test_names_that_are_bound(source: str, expected: set[str]) -> None:
    assert bound(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x.append(1)", "x"),
        ("f(x, *y, k=z)", "fxyz"),
        ("print(x, len(y))", ""),
        ("print = f\nprint(x)", "fx"),
        ("x.a = 1\ny[0] = 2\ndel z[0]", "xyz"),
        ("y = x\ny.append(1)", "xy"),
        ("y = [x, 1]\ny[0].append(1)", "xy"),
        ("y = x.a\nz = y[0]\nz += [1]", "xyz"),
        ("for y in x:\n    y.a = 1", "xy"),
        ("[y.append(1) for y in x]", "x"),
        ("with x as y:\n    pass", "x"),
        ("y.a = x\ny.a.b = 1", "xy"),
        ("a in x", "x"),
        ("y = x > 1\ny.a = 1", "y"),
        ("y = 1 + 2", ""),
        ("next(x)", "x"),
        ("def f():\n    x.append(1)", ""),
        ("def f():\n    x.append(1)\nf()", "fx"),
        ("class C:\n    def m(self):\n        x.append(1)\nc = C()\nc.m()", "Ccx"),
        ("class C:\n    x.append(1)", "x"),
        ("class C:\n    y = x\n    y.append(1)", "x"),
        ("class C:\n    y = x\nC.y.append(1)", "Cx"),
        ("class C:\n    def m(self, y=x):\n        y.append(1)\nC().m()", "Cx"),
        ("class C:\n    global y\n    y = x\ny.append(1)", "xy"),
        ("def f():\n    y = x, z\n    y[0].append(1)\nf()", "fxz"),
        ("def f():\n    y = x\n    def g():\n        y.append(1)\n    g()\nf()", "fx"),
        ("def f():\n    return x\nf().append(1)", "fx"),
        ("def f(y=x, *, k=z):\n    y.append(k)\nf()", "fxz"),
        ("lambda: x.pop()", "x"),
        ("@x.register\ndef f(): pass", "x"),
    ],
)
def test_objects_that_may_be_changed(source: str, expected: str) -> None:
    assert changed(source) == set(expected)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("exec('x = 1')", ("exec()",)),
        ("x = globals()['y']", ("globals()",)),
        ("get_ipython().run_cell('x')", ("get_ipython()",)),
        ("%run a.py", ("%run",)),
        ("%%cython\nx", ("%%cython",)),
        ("%time %run a.py", ("%run",)),
        ("def f():\n    return eval('x')\nf()", ("eval()",)),
        ("x = 1", ()),
    ],
)
def test_code_that_can_not_be_known_says_so(source: str, why: tuple[str, ...]) -> None:
    assert analyse(source).opaque == why


def test_what_is_done_to_the_world_outside_is_told() -> None:
    found = analyse("!pip install x\n%cd data\n%env A=1\n%%bash\n".replace("%%bash\n", ""))
    assert found.effects == ("!", "%cd", "%env")
    assert analyse("%%writefile a.py\nx = 1").effects == ("%%writefile",)
    assert analyse("%%bash\nrm {f}").reads == {"f"}


def test_modules_and_stars() -> None:
    found = analyse("import a.b\nfrom c import d\nfrom . import e\nfrom ..f import *")
    assert found.modules == {"a.b", "c", ".", "..f"}
    assert found.stars == ("..f",)


def test_what_a_function_uses_is_kept_with_its_name() -> None:
    found = analyse(
        "def f(a):\n    return a + g\nclass C:\n    def m(self):\n        h.pop()\n        global n\n        n = 1"
    )
    assert found.functions["f"].reads == {"g"}
    assert (found.functions["C"].reads, found.functions["C"].changes) == ({"h"}, {"h"})
    assert found.functions["C"].writes == {"n"}


@pytest.mark.parametrize("source", ["x = ", "for", "%%time\nx = "])
def test_code_with_a_mistake(source: str) -> None:
    if source.startswith("%"):
        assert analyse(source).opaque
    else:
        with pytest.raises(SyntaxError):
            analyse(source)
