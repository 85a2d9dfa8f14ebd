"""Variables come back as they were: a table of kinds of objects, and what is refused with the reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import NotKeptError, NotRestoredError, header, keep, restore

from .kept import main_module, made_by, run, there_and_back


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "values")


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    with main_module() as namespace:
        yield namespace


# What a cell makes → what must be the same in the namespace that it is restored into.
KINDS: dict[str, tuple[str, list[str]]] = {
    "numbers": (
        "a = 1; b = 10**40; c = 1.5; d = float('nan'); e = 1 + 2j; f = True; g = None",
        ["a, b, c, d, e, f, g"],
    ),
    "texts": (r"a = 'ä\ud800'; b = b'\0x'; c = bytearray(b'abc'); d = c", [r"a, b, c, c is d, type(c)"]),
    "containers": ("a = [1, (2, {3}), {'k': frozenset((4,))}]; b = [a, a]", ["a, b, b[0] is b[1], b[0] is a"]),
    "cycles": (
        "a = []; a.append(a); d = {}; d['d'] = d; t = ([],); t[0].append(t)",
        ["a[0] is a", "d['d'] is d", "t[0][0] is t"],
    ),
    "empty ones are shared": ("a = (); b = a; c = frozenset(); d = ''", ["a is b", "a, c, d"]),
    "ellipsis and notimplemented": ("a = ...; b = NotImplemented", ["a is ...", "b is NotImplemented"]),
    "slice and range": ("a = slice(1, None, 2); b = range(3, 9, 2)", ["a, b"]),
    "collections": (
        "import collections as c\na = c.OrderedDict(x=1); b = c.defaultdict(list, x=[1]); d = c.deque([1, 2], 5)\n"
        "e = c.Counter('abca'); f = c.ChainMap({'a': 1}, {'b': 2})",
        ["a, b, d, d.maxlen, e, f", "b['new']"],
    ),
    "dates": (
        "import datetime as t, zoneinfo\na = t.datetime(2013, 1, 2, tzinfo=t.timezone.utc); b = t.timedelta(3)\n"
        "c = t.date(2013, 1, 1); d = a.astimezone(zoneinfo.ZoneInfo('UTC')); e = t.time(3)",
        ["a, b, c, d, e"],
    ),
    "numbers of libraries": (
        "from decimal import Decimal\nfrom fractions import Fraction\nimport uuid\n"
        "a = Decimal('1.10'); b = Fraction(1, 3); c = uuid.UUID(int=5)",
        ["a, b, c, Decimal('2')"],
    ),
    "paths": ("from pathlib import Path, PurePosixPath\na = Path('/tmp/x'); b = PurePosixPath('y')", ["a, b, a / 'z'"]),
    "patterns": ("import re\na = re.compile('x(.)', re.I); b = [a, a]", ["a, b[0] is a, a.match('Xy').group(1)"]),
    "namespace objects": ("import types as y\na = y.SimpleNamespace(x=[1]); a.me = a", ["a.me is a, a.x"]),
    "buffers in memory": (
        "import io\na = io.BytesIO(b'abc'); a.read(1); b = io.StringIO('xyz'); b.read(2)",
        ["a.read(), b.read()"],
    ),
    "arrays of the array module": ("import array\na = array.array('d', [1, 2]); b = a", ["a, a is b"]),
    "iterators over lists": ("a = [1, 2, 3]; i = iter(a); next(i); a.append(4)", ["list(i)", "type(i)"]),
    "enumerate, zip, map": (
        "a = enumerate('ab'); b = zip([1], [2]); c = map(str, [1, 2]); next(a)",
        ["list(a), list(b), list(c)"],
    ),
    "random generators": ("import random\na = random.Random(3); a.random()", ["a.random(), a.gauss(0, 1)"]),
    "methods of the global generator": (
        "from random import randint, seed",
        ["randint.__self__ is __import__('random')._inst"],
    ),
    "warnings and exceptions": ("a = ValueError('x', 1); b = KeyError('k'); a.note = 1", ["a, b, a.note, a.args"]),
    "loggers": ("import logging\nlog = logging.getLogger('some.logger')", ["log is logging.getLogger('some.logger')"]),
    "partial": (
        "import functools\ndef f(x, y): return x + y\np = functools.partial(f, 1, y=2); q = [p, f]",
        ["p()", "p.func is f, q[0] is p"],
    ),
    "functions": (
        "k = 2\ndef f(x: int, *, y: str = 'a') -> float:\n    'Doc.'\n    return x * k, y\nf.mark = [1]",
        ["f(3)", "f.__doc__, f.__annotations__, f.__kwdefaults__, f.mark, f.__module__, f.__qualname__"],
    ),
    "lambdas": ("fs = [lambda x, n=n: x + n for n in range(3)]", ["[f(1) for f in fs]", "fs[0].__name__"]),
    "recursive functions": ("def f(n): return 1 if n < 2 else n * f(n - 1)", ["f(5)"]),
    "inner recursive functions": (
        "def outer():\n    def inner(n): return 1 if n < 2 else n * inner(n - 1)\n    return inner\nf = outer()",
        ["f(5)", "f.__closure__[0].cell_contents is f"],
    ),
    "closures that share a variable": (
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n"
        "    return up, lambda: n\nup, get = make(); up()",
        ["get()", "up(), up(), get()"],
    ),
    "closures with an empty cell": (
        "def make():\n    def f(): return later\n    if False: later = 1\n    return f\nf = make()",
        ["[c for c in f.__closure__ if not __import__('gc').get_referents(c)] != []"],
    ),
    "cells themselves": (
        "def make(v):\n    return lambda: v\nf = make([1]); c = f.__closure__[0]",
        ["c is f.__closure__[0]", "f() is c.cell_contents"],
    ),
    "generator functions": (
        "def g(n):\n    yield from range(n)\nasync def h():\n    return 1",
        ["list(g(3))", "__import__('inspect').iscoroutinefunction(h)"],
    ),
    "decorated functions": (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a) * 2\n    return w\n@twice\ndef g(x): return x + 1",
        ["g(1), g.__name__, g.__wrapped__(1)"],
    ),
    "decorated by a library": (
        "import contextlib\n@contextlib.contextmanager\ndef c(x):\n    yield x",
        ["c(3).__enter__()", "c.__globals__ is contextlib.__dict__", "c.__wrapped__.__globals__ is globals()"],
    ),
    "lru_cache that is empty": (
        "import functools\n@functools.lru_cache(maxsize=3)\ndef f(x): return [x]",
        ["f(1) is f(1)", "f.cache_parameters()"],
    ),
    "singledispatch": (
        "import functools\n@functools.singledispatch\ndef f(x): return 'any'\n@f.register\ndef _i(x: int): return 'int'",
        ["f(1), f('a')"],
    ),
    "functions of modules": (
        "from os.path import join\nfrom json import dumps\nfrom math import sin",
        ["join is __import__('os').path.join", "sin(0)"],
    ),
    "bound methods": ("class A:\n    def m(self): return self\na = A(); m = a.m; b = [].append", ["m() is a", "b(1)"]),
    "methods of classes": (
        "a = dict.fromkeys; b = str.upper; c = [].__class__; d = int.__add__",
        ["a('x'), b('y'), c, d(1, 2)"],
    ),
    "modules": ("import json, os.path as p\nm = [json, p]", ["m[0] is json, m[1] is p"]),
    "classes": (
        "class A:\n    'Doc.'\n    n = [1]\n    def f(self): return self.n\n    @classmethod\n    def c(cls): return cls\n"
        "    @staticmethod\n    def s(): return 1\n    @property\n    def p(self):\n        'P.'\n        return 2\na = A(); a.x = 3",
        ["type(a) is A", "a.f(), A.c() is A, A.s(), a.p, a.x, A.__doc__, A.p.__doc__", "a.f() is A.n", "A.__module__"],
    ),
    "inheritance and super": (
        "class A:\n    def f(self): return ['A']\nclass B(A):\n    def f(self): return [*super().f(), __class__.__name__]\nb = B()",
        ["b.f(), isinstance(b, A), B.__mro__[1] is A, A.__subclasses__() == [B]"],
    ),
    "slots": (
        "class A:\n    __slots__ = ('x', '__y')\n    def __init__(self): self.x = 1; self.__y = 2\n    def y(self): return self.__y\na = A()",
        ["a.x, a.y(), hasattr(a, '__dict__')"],
    ),
    "slots and a dict": (
        "class A:\n    __slots__ = ('x', '__dict__', '__weakref__')\na = A(); a.x = 1; a.z = 2",
        ["a.x, a.z, a.__dict__"],
    ),
    "nested classes": ("class A:\n    class B:\n        pass\nb = A.B()", ["type(b) is A.B, A.B.__qualname__"]),
    "local classes": (
        "def make():\n    class L:\n        def me(self): return L\n    return L\nL = make(); l = L()",
        ["l.me() is L, type(l) is L"],
    ),
    "class with itself inside": (
        "class A: pass\nA.one = A(); A.all = [A, A.one]",
        ["type(A.one) is A, A.all[1] is A.one"],
    ),
    "metaclasses": (
        "class M(type):\n    made = []\n    def __new__(m, n, b, d):\n        c = super().__new__(m, n, b, d); M.made.append(n); return c\n"
        "    def __call__(cls, *a): return super().__call__(*a)\nclass A(metaclass=M):\n    def __init__(self, x): self.x = x\na = A(1)",
        ["type(A) is M, M.made, a.x, A(2).x"],
    ),
    "init_subclass does not run again": (
        "class B:\n    seen = 0\n    def __init_subclass__(cls, tag='', **k):\n        B.seen += 1; cls.tag = tag\nclass A(B, tag='t'): pass\nclass C(A): pass",
        ["B.seen, A.tag, C.tag"],
    ),
    "set_name does not run again": (
        "class D:\n    calls = 0\n    def __set_name__(self, owner, name): D.calls += 1; self.name = name\n    def __get__(self, i, o): return self.name\nclass A:\n    x = D()",
        ["A().x, D.calls"],
    ),
    "abstract classes": (
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\nclass B(A):\n    def f(self): return 1\n"
        "class V: pass\nA.register(V)\nb = B()",
        ["b.f(), isinstance(b, A), issubclass(V, A), A.__abstractmethods__", "__import__('inspect').isabstract(A)"],
    ),
    "dataclasses": (
        "import dataclasses as dc\n@dc.dataclass\nclass D:\n    x: int\n    y: list = dc.field(default_factory=list)\n    z: str = dc.field(default='q', repr=False)\nd = D(1)",
        [
            "d, D(1) == d, D(2).y, dc.asdict(d), [f.name for f in dc.fields(D)], dc.replace(d, x=5)",
            "dc.fields(D)[0].default is dc.MISSING",
        ],
    ),
    "frozen dataclasses in sets": (
        "import dataclasses as dc\n@dc.dataclass(frozen=True, order=True, slots=True)\nclass D:\n    x: int\ns = {D(1), D(2)}; d = {D(1): 'a'}",
        ["sorted(s), d[D(1)], D(1) in s"],
    ),
    "dataclass inheritance": (
        "import dataclasses as dc\n@dc.dataclass\nclass A:\n    x: int = 1\n@dc.dataclass\nclass B(A):\n    y: int = 2\nb = B()",
        ["b, isinstance(b, A)"],
    ),
    "enumerations": (
        "import enum\nclass C(enum.Enum):\n    RED = 1; BLUE = 'b'; ALIAS = 1\n    def low(self): return self.name.lower()\nc = C.RED; cs = {C.RED: 1}",
        ["c is C.RED, C(1) is c, C['BLUE'].low(), list(C), C.ALIAS is c, cs[C.RED], c.value, C.__members__"],
    ),
    "enumerations with attributes": (
        "import enum\nclass P(enum.Enum):\n    EARTH = (1, [2]); MARS = (3, [4])\n    def __init__(self, mass, moons): self.mass = mass; self.moons = moons\np = P.MARS",
        ["p.mass, p.moons, P.EARTH.moons, P((1, [2])) is P.EARTH, p in P"],
    ),
    "int and text enumerations": (
        "import enum\nclass I(enum.IntEnum):\n    A = 3\nclass S(enum.StrEnum):\n    X = enum.auto()\nclass F(enum.IntFlag):\n    R = 1; W = 2\nclass G(enum.Flag):\n    R = 1; W = 2\n"
        "i = I.A; s = S.X; f = F.R | F.W; g = G.R | G.W",
        [
            "i + 1, i is I(3), s + 'y', s is S('x'), f, F.R in f, g, ~G.R, g is G(3), f is F(3), json.dumps([i, s])".replace(
                "json", "__import__('json')"
            )
        ],
    ),
    "named tuples": (
        "import collections, typing\nA = collections.namedtuple('A', 'x y', defaults=[5])\nclass B(typing.NamedTuple):\n    x: int\n    y: str = 'q'\n    def s(self): return self.x + 1\na = A(1); b = B(2)",
        ["a, b, b.s(), a._replace(x=4), A._fields, B._field_defaults, a == (1, 5), type(b) is B, A._make([1, 2])"],
    ),
    "typed dicts and protocols": (
        "import typing as t\nclass T(t.TypedDict):\n    x: int\n@t.runtime_checkable\nclass P(t.Protocol):\n    def f(self) -> int: ...\nclass A:\n    def f(self): return 1\nd: T = {'x': 1}",
        ["T.__annotations__, isinstance(A(), P), d"],
    ),
    "generic classes": (
        "import typing as t\nT = t.TypeVar('T', bound=int)\nclass S(t.Generic[T]):\n    def __init__(self): self.items: list[T] = []\ns = S[int](); U = t.Union[int, str]; L = list[int]; N = t.NewType('N', int)",
        ["S.__parameters__[0] is T, T.__bound__, s.items, S[int], U, L, N(3), N.__supertype__, type(s) is S"],
    ),
    "properties, cached": (
        "import functools\nclass A:\n    @functools.cached_property\n    def c(self): return [1]\na = A(); a.c.append(2); b = A()",
        ["a.c, b.c, a.__dict__"],
    ),
    "subclasses of builtins": (
        "class D(dict):\n    def __missing__(self, k): return k * 2\nclass L(list): pass\nclass S(str): pass\nclass I(int): pass\nclass T(tuple): pass\n"
        "d = D(a=1); d.x = 3; l = L([1]); l.me = l; s = S('q'); i = I(4); t = T((1, 2)); t.z = [t]",
        ["d['zz'], d, d.x, l, l.me is l, s, type(s) is S, i, t, t.z[0] is t, type(i) is I"],
    ),
    "objects with their own pickling": (
        "class A:\n    def __init__(self, x): self.x = x\n    def __reduce__(self): return A, (self.x,)\nclass B:\n    def __init__(self): self.y = [1]\n"
        "    def __getstate__(self): return {'y': self.y}\n    def __setstate__(self, s): self.__dict__.update(s)\na = A([1]); b = B()",
        ["a.x, b.y, type(a) is A"],
    ),
    "objects with custom equality": (
        "class K:\n    def __init__(self, n): self.n = n\n    def __hash__(self): return hash(self.n)\n    def __eq__(self, o): return self.n == o.n\nd = {K(1): 'a'}; s = {K(2)}",
        ["d[K(1)], K(2) in s, K(3) in s"],
    ),
    "objects with getattr": (
        "class A:\n    def __getattr__(self, n): return object.__getattribute__(self, 'd')[n]\n    def __init__(self): self.d = {'q': 1}\na = A()",
        ["a.q"],
    ),
    "callable objects and descriptors": (
        "class A:\n    def __call__(self, x): return x + self.k\na = A(); a.k = 2; f = [a.__call__]",
        ["a(1), f[0](2)"],
    ),
    "shared attributes": (
        "class A: pass\na, b = A(), A(); a.x = b.x = [1]; a.other, b.other = b, a",
        ["a.x is b.x, a.other.other is a"],
    ),
    # -- arrays ----------------------------------------------------------------------------------------------------
    "arrays": (
        "import numpy as np\na = np.arange(12.).reshape(3, 4); b = a",
        ["a, a is b, a.dtype, a.flags.owndata, a.flags.writeable"],
    ),
    "views": (
        "import numpy as np\na = np.arange(10); v = a[2:8:2]; r = a[::-1]; w = v[1:]",
        ["np.shares_memory(a, v)", "(v.__setitem__(0, 99), a, r, w)", "v.base is a"],
    ),
    "views without their array": (
        "import numpy as np\nb = np.arange(10); v, w = b[1:5], b[3:9]; del b",
        ["(v.__setitem__(3, 99), w, v)", "np.shares_memory(v, w)"],
    ),
    "transposed and F-ordered": (
        "import numpy as np\na = np.asfortranarray(np.arange(6).reshape(2, 3)); t = a.T; c = np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)",
        ["a, a.flags.f_contiguous, t.flags.c_contiguous, np.shares_memory(a, t), c, c.strides, a.flags.owndata"],
    ),
    "read-only and broadcast": (
        "import numpy as np\na = np.arange(3); a.flags.writeable = False; b = np.broadcast_to(np.float32(2), (3, 4))",
        ["a.flags.writeable, b, b.strides, b.flags.writeable"],
    ),
    "dtypes": (
        "import numpy as np\nx = [np.array([1], t) for t in ('?', 'i1', '>u8', 'f2', 'c16', 'U3', 'S2', 'M8[s]', 'm8[D]', 'f4', 'longdouble')]; d = np.dtype([('a', 'i4'), ('b', 'U2')])",
        ["x, [e.dtype for e in x], d"],
    ),
    "structured and record arrays": (
        "import numpy as np\ns = np.array([(1, 2.5, 'a')], dtype=[('x', 'i4'), ('y', 'f8'), ('z', 'U3')]); f = s['y']; r = s.view(np.recarray); m = np.matrix([[1, 2]])",
        ["s, f, np.shares_memory(s, f), r.x, type(r), m * m.T, (f.__setitem__(0, 9), s)"],
    ),
    "object arrays": (
        "import numpy as np\nl = [1]; a = np.array([l, 'x', None], dtype=object); v = a[:1]; a[2] = a; z = np.array(l, object); q = np.empty((2, 2), object, 'F'); q[0, 1] = l",
        ["a[0] is l, v[0] is l, a[2] is a, np.shares_memory(a, v), z, q, q[0, 1] is l, q.flags.f_contiguous"],
    ),
    "empty and scalar arrays": (
        "import numpy as np\na = np.empty((0, 3)); b = np.array(5); c = np.float32(1.5); d = np.zeros((2, 0), 'M8[s]'); e = np.array('', 'U0')",
        ["a.shape, a.dtype, b, b.shape, c, type(c), d.shape, d.dtype, e"],
    ),
    "masked arrays": (
        "import numpy as np\nm = np.ma.array([1., 2., 3.], mask=[0, 1, 0], fill_value=9.); d = m.data; k = np.ma.masked",
        ["m, m.fill_value, m.filled(), np.shares_memory(m.data, d), k is np.ma.masked, m.sum()"],
    ),
    "arrays over bytes": (
        "import numpy as np\nb = bytearray(b'abcd'); a = np.frombuffer(b, 'u1'); c = np.frombuffer(b'wxyz', 'u2')",
        ["a, c, c.flags.writeable", "(a.__setitem__(0, 122), b)"],
    ),
    "array subclass of the notebook": (
        "import numpy as np\nclass Q(np.ndarray):\n    def __array_finalize__(self, o): self.unit = getattr(o, 'unit', None)\nq = np.arange(3.).view(Q); q.unit = 'm'; h = q[:2]",
        ["q, q.unit, type(q) is Q, np.shares_memory(q, h), h.unit"],
    ),
    "sliding windows": (
        "import numpy as np\na = np.arange(8); w = np.lib.stride_tricks.sliding_window_view(a, 3)",
        ["w, np.shares_memory(a, w), w.flags.writeable"],
    ),
    "large arrays": (
        "import numpy as np\na = np.arange(300_000.); v = a[1000:]; b = a.copy()",
        [
            "(v.__setitem__(0, -1.), a[1000], b[1000], a.sum())",
            "np.shares_memory(a, v), np.shares_memory(a, b), a.flags.writeable, v.base is not None",
        ],
    ),
    "numpy generators": (
        "import numpy as np\ng = np.random.default_rng(3); g.random(); r = np.random.RandomState(4); b = [g, g.bit_generator]",
        ["g.random(), r.rand(), b[1] is g.bit_generator"],
    ),
    "numpy's global generator": (
        "from numpy.random import rand, seed",
        ["rand.__self__ is __import__('numpy').random.mtrand._rand"],
    ),
    "string dtype": (
        "import numpy as np\na = np.array(['x', 'a long text that does not fit'], np.dtypes.StringDType())",
        ["a, a.dtype"],
    ),
    "sparse matrices": (
        "import scipy.sparse as sp, numpy as np\ns = sp.random(20, 20, 0.2, 'csr', random_state=1); d = s.data",
        ["(s != s.T).sum(), s.sum(), np.shares_memory(s.data, d)"],
    ),
    "ufuncs and dtypes": (
        "import numpy as np\nf = np.add; t = np.float64; d = np.dtype('f8')",
        ["f(1, 2), t(1), d, f is np.add"],
    ),
    # -- tables ----------------------------------------------------------------------------------------------------
    "frames": (
        "import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': [1, 2], 'b': ['x', None], 'c': pd.Categorical(['u', 'v']), 'd': pd.to_datetime(['2013-01-01', None], utc=True), 'e': [1.5, np.nan], 'f': pd.array([1, None], 'Int64')})\ndf.attrs['k'] = [1]; df.index.name = 'i'",
        [
            "df, df.dtypes, df.attrs, df.index, df.index.name",
            "df.groupby('a').size()",
            "df.assign(z=1)",
            "(df.__setitem__('a', 3), df.insert(0, 'n', 4), df)",
        ],
    ),
    "series of a frame": (
        "import pandas as pd, warnings; warnings.simplefilter('ignore')\ndf = pd.DataFrame({'a': [1., 2.], 'b': [3., 4.]}); s = df['a']; v = df.values",
        ["s, s.name, __import__('numpy').shares_memory(v, df['b'].values)", "(v.__setitem__((0, 0), 77.), df, s)"],
    ),
    "indexes": (
        "import pandas as pd\na = pd.MultiIndex.from_product([[1, 2], list('ab')], names=['x', 'y']); b = pd.date_range('2013', periods=3, freq='h', tz='UTC'); c = pd.interval_range(0, 2); d = pd.period_range('2013', periods=2, freq='M'); e = pd.RangeIndex(3)",
        ["a, b, b.freq, c, d, e"],
    ),
    "frames on a MultiIndex": (
        "import pandas as pd\ndf = pd.DataFrame({'v': range(4)}, index=pd.MultiIndex.from_product([[1, 2], list('ab')]))\ns = df.v.unstack()",
        ["df, s, df.loc[(1, 'b')]"],
    ),
    "Arrow columns of pandas": (
        "import pandas as pd\ns = pd.Series(['a', None, 'c'], dtype='string[pyarrow]'); t = pd.Series([1, None], dtype='int64[pyarrow]'); u = pd.Series(pd.arrays.SparseArray([0, 1]))",
        ["s, s.dtype, t, t.dtype, u, u.dtype"],
    ),
    "times of pandas": (
        "import pandas as pd\na = pd.Timestamp('2013-01-01', tz='UTC'); b = pd.Timedelta('1h'); c = pd.NaT; d = pd.NA; e = pd.offsets.MonthEnd(); f = pd.Interval(0, 1)",
        ["a, b, c is pd.NaT, d is pd.NA, e, f"],
    ),
    "frames that hold themselves": (
        "import pandas as pd\nl = [1]; df = pd.DataFrame({'o': [l, {'x': l}]}); df.attrs['l'] = l",
        ["df['o'][0] is l, df['o'][1]['x'] is l, df.attrs['l'] is l"],
    ),
    "groupings": (
        "import pandas as pd\ndf = pd.DataFrame({'g': list('aab'), 'v': [1, 2, 3]}); g = df.groupby('g')",
        ["g.v.sum(), g.ngroups"],
    ),
    "Arrow tables": (
        "import pyarrow as pa\nt = pa.table({'a': [1, None, 3], 'b': ['x', 'y', None], 'c': [[1], [], None], 'd': pa.array(['u', 'v', 'u']).dictionary_encode()}, metadata={'k': 'v'})\nr = t.to_batches()[0]; s = t.schema; c = t['a']; x = c.chunk(0); d = pa.int32(); q = pa.scalar(5)",
        ["str(t), r.to_pylist(), s, str(c), str(x), d, q, t.schema.metadata"],
    ),
    "slices of Arrow": (
        "import pyarrow as pa\nb = pa.table({'a': range(200_000), 'b': ['x'] * 200_000}); t = b.slice(3, 2); a = b['a'].chunk(0).slice(5, 2); c = b['b'].slice(0, 1); r = b.to_batches()[0].slice(7, 1); del b",
        ["t.to_pylist(), str(a), str(c), r.to_pylist()"],
    ),
    "polars frames": (
        "import polars as pl, datetime\nd = pl.DataFrame({'a': [1, None], 'b': ['x', 'ü'], 'c': [[1], []], 'e': [{'q': 1}, {'q': 2}], 'f': [datetime.date(2013, 1, 1), None], 'g': [1.5, float('nan')]}).with_columns(h=pl.col('b').cast(pl.Categorical), i=pl.col('b').cast(pl.Enum(['x', 'ü'])), j=pl.lit(None))\ns = d['b']; x = pl.DataFrame(); l = d.lazy(); e = pl.col('a') + 1",
        ["d, d.schema, s, s.name, x.shape, l.collect(), str(e)"],
    ),
    "large polars frames": (
        "import polars as pl\nd = pl.DataFrame({'a': range(100_000), 'b': [str(i) for i in range(100_000)]}); s = d['a']",
        ["d, d.sum(), s.sum(), d.filter(pl.col('a') == 5)"],
    ),
    # -- models ----------------------------------------------------------------------------------------------------
    "scikit-learn": (
        "import numpy as np\nfrom sklearn.ensemble import RandomForestClassifier\nfrom sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import StandardScaler\n"
        "X = np.random.default_rng(0).random((60, 3)); y = (X[:, 0] > .5).astype(int)\nm = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(X, y); f = m[-1]",
        ["m.predict_proba(X[:3]), m[-1] is f, m, f.feature_importances_"],
    ),
    "estimators of the notebook": (
        "import numpy as np\nfrom sklearn.base import BaseEstimator, TransformerMixin, clone\nclass Half(TransformerMixin, BaseEstimator):\n    def __init__(self, by=2): self.by = by\n    def fit(self, X, y=None): self.n_ = len(X); return self\n    def transform(self, X): return X / self.by\nh = Half(4).fit([1, 2])",
        ["h.n_, h.transform(np.array([8.])), clone(h).by, h"],
    ),
    "estimators with the global generator": (
        "import numpy as np\nfrom sklearn.neural_network import MLPClassifier\nimport warnings; warnings.simplefilter('ignore')\nm = MLPClassifier((2,), max_iter=2).fit([[0.], [1.]], [0, 1])",
        ["m._random_state is np.random.mtrand._rand", "m.predict([[1.]])"],
    ),
    "tensors": (
        "import torch\na = torch.arange(6.).reshape(2, 3); v = a[0]; t = a.t(); n = a.numpy(); e = torch.empty(0); i = torch.tensor(5); h = torch.ones(2, dtype=torch.bfloat16); r = torch.ones(3, requires_grad=True)",
        [
            "a, v, t.stride(), e, i, h, r",
            "(v.__setitem__(0, 99.), a, n, t)",
            "v.untyped_storage().data_ptr() == a.untyped_storage().data_ptr()",
            "(r * 2).sum().backward() or r.grad",
        ],
    ),
    "tensors over arrays": (
        "import torch, numpy as np\na = np.arange(8.); t = torch.from_numpy(a[2:6]); u = torch.from_numpy(a)",
        ["(a.__setitem__(3, 55.), t, u)"],
    ),
    "sparse tensors and dtypes": (
        "import torch\ns = torch.eye(3).to_sparse(); d = torch.float16; v = torch.device('cpu'); z = torch.Size([1, 2])",
        ["s.to_dense(), d is torch.float16, v, z"],
    ),
    "modules and optimizers": (
        "import torch\ntorch.manual_seed(0)\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__(); self.l = torch.nn.Linear(2, 1); self.register_buffer('b', torch.zeros(1))\n    def forward(self, x): return self.l(x) + self.b\n"
        "net = Net(); opt = torch.optim.Adam(net.parameters(), lr=.1)\nloss = net(torch.ones(4, 2)).pow(2).mean(); loss.backward(); opt.step(); w = net.l.weight",
        [
            "net(torch.ones(1, 2)).detach(), net.l.weight is w, opt.param_groups[0]['params'][0] is w, w.grad, loss.item(), type(w)",
            "(opt.zero_grad(), net(torch.ones(4, 2)).pow(2).mean().backward(), opt.step(), [p.detach() for p in net.parameters()])",
            "loss.requires_grad, loss.is_leaf, opt.state_dict()",
        ],
    ),
    "torch generators": (
        "import torch\ng = torch.Generator().manual_seed(4); torch.rand(1, generator=g)",
        ["torch.rand(2, generator=g)"],
    ),
    "datasets of torch": (
        "import torch\nfrom torch.utils.data import TensorDataset, DataLoader\nx = torch.arange(4.); d = TensorDataset(x, x * 2); l = DataLoader(d, batch_size=2)",
        ["[b for b in l]", "d.tensors[0] is x"],
    ),
    "graphs of networkx": (
        "import networkx as nx\ng = nx.path_graph(4); g.add_edge(0, 3, w=[1])",
        ["list(g.edges(data=True)), nx.shortest_path(g, 0, 3), g.adj[0][3] is g.adj[3][0]"],
    ),
}


def shown(expression: str, namespace: dict[str, Any]) -> str:
    import numpy
    import pandas
    import torch

    numpy.set_printoptions(threshold=20, precision=17)
    torch.set_printoptions(precision=8)
    pandas.set_option("display.precision", 17)
    try:
        return repr(eval(expression, namespace))
    except Exception as error:
        return f"!! {type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_cell_makes_comes_back(kind: str, store: BlobStore, notebook: dict[str, Any]) -> None:
    source, expressions = KINDS[kind]
    # Given what a cell made, all of it one group, When it is restored into an empty namespace
    names = made_by(source, notebook)
    with main_module() as after:
        kept = there_and_back(store, names, notebook, after, verify=True)
        # Then it looks and behaves as before, also where it is changed
        assert kept.verified
        assert set(kept.types) == set(names)
        restored = [shown(expression, after) for expression in expressions]
    assert restored == [shown(expression, notebook) for expression in expressions]
    assert not [each for each in restored if each.startswith("!!")], restored


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 80
