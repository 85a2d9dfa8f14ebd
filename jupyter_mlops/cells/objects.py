"""Which objects a variable reaches: what it shares with others, and which names of the notebook its functions use.

Variables that reach the same object that can change belong together: a change through one is a change of the others
(Kishu calls such a group a co-variable: Li et al., "Kishu: Time-Traveling for Computational Notebooks", VLDB 2025).

The walk follows references as the garbage collector sees them, and knows those that it does not see: the memory under
arrays and tensors. It stops at what belongs to Python or to an installed package (modules, classes, functions), and
at what leads out of the notebook (frames, the shell).
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import gc
import pathlib
import re
import sys
import types
import uuid
import weakref
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from .acting import acts, fills_itself
from .bytecode import names_of
from .figures import figure_of
from .memory_places import bounds_of_array, place_of_buffer, places_of_arrow, places_of_polars
from .modules import is_local
from .reached import Reached
from .value_points import hides_points, place_of_points

#: A variable that reaches more objects than this may share any of them with any other variable.
NODE_LIMIT = 200_000

#: Of so many texts in a sequence the length is looked at.
_SAMPLED = 1_000

#: Values that can't change and lead nowhere.
ATOMIC: frozenset[type] = frozenset(
    {
        *(int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range, types.CodeType),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
        *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, types.MethodWrapperType),
        types.WrapperDescriptorType,
        *(types.MethodDescriptorType, types.ClassMethodDescriptorType, types.GetSetDescriptorType),
        *(types.MemberDescriptorType, pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath),
        *(types.GenericAlias, types.UnionType),
    }
)  # fmt: skip
#: Objects of these packages lead to the shell, its threads and its sockets, and so to everything.
_MACHINERY = frozenset({"IPython", "ipykernel", "comm", "zmq", "tornado", "asyncio", "threading", "_thread", "logging"})
_LEAVES = (types.FrameType, types.TracebackType)
#: A figure of matplotlib, by its identity → what it reaches, and all that was seen there. Each of its parts leads to
#: all of it (some ten thousand objects), so the variables of a cell that plots would be walked over once each.
Figures = dict[int, "tuple[Reached, dict[int, Any]]"]
#: Beginnings of full names of types that keep their references from the garbage collector, but hold nothing that the
#: notebook has: memory of their own, texts, functions of their library. Arrays in it have them as their ``base``.
_OWN_MEMORY = (
    *("sklearn.tree._tree.Tree", "sklearn._loss.", "sklearn.linear_model._sgd_fast.", "pandas._libs.hashtable."),
    *("matplotlib.backends._backend_agg.RendererAgg", "pybind11_builtins."),
)


def reached_from(
    value: Any, namespace: dict[str, Any], limit: int = NODE_LIMIT, figures: Figures | None = None
) -> Reached:
    """Walk from a value. ``namespace`` is the notebook's: its functions are those whose globals it is.

    ``figures`` may be handed from one walk to the next for as long as no code of the notebook runs between them.
    """
    walk = _Walk(namespace, limit, {} if figures is None else figures)
    walk.run(value)
    return walk.found


class _Walk:
    def __init__(self, namespace: dict[str, Any], limit: int, figures: Figures | None):
        self.found = Reached()
        #: None: figures are walked over like anything else.
        self._figures = figures
        #: What was seen in figures that were come by.
        self._seen_there: dict[int, Any] = {}
        self._namespace = namespace
        self._limit = limit
        self._waiting: list[Any] = []
        #: Kept alive while the walk lasts: get_referents may make objects whose ids would be given out again.
        self._seen: dict[int, Any] = {}

    def run(self, value: Any) -> None:
        self._waiting.append(value)
        while self._waiting:
            if len(self._seen) > self._limit:
                self.found.truncated = True
                return
            self._visit(self._waiting.pop())

    def _visit(self, value: Any) -> None:
        kind = type(value)
        if kind in ATOMIC:
            if kind is str or kind is bytes:
                self.found.size += len(value)
            return
        identity = id(value)
        if identity in self._seen or identity in self._seen_there:
            return
        self._seen[identity] = value
        if kind is list or kind is tuple:
            if value or kind is list:  # there is one empty tuple for all
                self.found.ids[identity] = None
            self._elements(value)
        elif kind is dict:
            self._dict(value, identity)
        elif kind in weakref.ProxyTypes:
            self.found.ids[identity] = None
            self._waiting.append(
                _quietly(lambda: value.__reduce_ex__.__self__)
            )  # a method's object: what it stands for
        elif isinstance(value, type):
            self._class(value, identity)
        elif isinstance(value, types.FunctionType):
            self._function(value, identity)
        elif isinstance(value, types.ModuleType):
            self._module(value)
        elif isinstance(value, types.BuiltinFunctionType):
            if not isinstance(value.__self__, types.ModuleType):
                self._waiting.append(value.__self__)
        else:
            self._other(value, kind, identity)

    def _elements(self, values: Iterable[Any]) -> None:
        kinds = set(map(type, values))
        if kinds <= ATOMIC:
            self.found.size += 8 * len(values)  # type: ignore[arg-type]
            if str in kinds or bytes in kinds:
                self.found.size += _text_size(values)
        else:
            self._waiting.extend(values)

    def _dict(self, value: dict[Any, Any], identity: int) -> None:
        if value is self._namespace:
            self.found.opaque = True
            return
        self.found.ids[identity] = None
        self._elements(value.keys())
        self._elements(value.values())

    def _class(self, value: type, identity: int) -> None:
        module = value.__module__
        if module == "__main__":
            self.found.ids[identity] = None
            # What copyreg keeps on a class when an instance is first pickled, or digested, is none of its author's.
            self._waiting.extend(each for name, each in value.__dict__.items() if name != "__slotnames__")
            self._waiting.extend(value.__bases__)
            if type(value) is not type:
                self._waiting.append(type(value))
        elif is_local(sys.modules.get(module)):
            self._waiting.append(sys.modules[module])
            self._waiting.extend(value.__dict__.values())
            self._waiting.extend(value.__bases__)
        else:
            return
        self.found.acts |= acts(value, self._namespace)
        self.found.ends |= "__del__" in value.__dict__
        self.found.iterates |= "__next__" in value.__dict__ or "__iter__" in value.__dict__

    def _function(self, value: types.FunctionType, identity: int) -> None:
        ours = value.__globals__ is self._namespace
        if ours or self._of_local_module(value):
            names = names_of(value.__code__)
            self.found.seeds |= names.seeds
            if ours:
                self.found.stores |= names.stores
                self.found.sets |= names.sets
                self.found.uses.add(names.names)
                self.found.opaque |= names.opaque
        elif value.__closure__ is None and not value.__dict__:
            return  # a package's
        self._waiting.extend(value.__closure__ or ())
        self._waiting.extend(value.__defaults__ or ())
        self._waiting.extend((value.__kwdefaults__ or {}).values())
        self._waiting.extend(value.__dict__.values())
        if ours or value.__closure__ is not None or value.__dict__:
            self.found.ids[identity] = None

    def _of_local_module(self, value: types.FunctionType) -> bool:
        name = value.__globals__.get("__name__")
        module = sys.modules.get(name) if isinstance(name, str) else None
        if module is None or not is_local(module):
            return False
        self._waiting.append(module)
        return True

    def _module(self, value: types.ModuleType) -> None:
        if value.__dict__ is self._namespace:
            self.found.opaque = True
        elif is_local(value):
            self.found.ids[id(value)] = None
            self.found.modules.add(value.__name__)
            self._waiting.extend(each for name, each in vars(value).items() if not name.startswith("__"))

    def _other(self, value: Any, kind: type, identity: int) -> None:
        package = (kind.__module__ or "").partition(".")[0]
        if isinstance(value, _LEAVES) or package in _MACHINERY:
            self.found.ids[identity] = None
            return
        if package == "matplotlib" and self._figures is not None and (figure := figure_of(value)) is not None:
            self._come_by(figure)
            if identity in self._seen_there:
                return
        self.found.ids[identity] = None
        self.found.iterates |= hasattr(kind, "__next__")
        if package == "numpy":
            self._numpy(value)
        elif package == "torch":
            self._torch(value)
        elif package == "pandas":
            self._pandas(value)
        elif package == "polars":
            self._polars(value)
        elif package == "sklearn" and hides_points(kind):
            self._foreign(lambda tree: [place_of_points(tree)], value)
            self._generic(value)
        elif package == "pyarrow":
            self.found.size += int(_quietly(lambda: value.nbytes))
            self._foreign(places_of_arrow, value)
        elif isinstance(value, (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)):
            self._suspended(value)
        elif isinstance(value, collections.deque) or kind in (set, frozenset):
            self._elements(value)
        elif isinstance(value, weakref.ref):
            self._waiting.append(value())
            self._generic(value)
        else:
            self._generic(value)

    def _come_by(self, figure: Any) -> None:
        """Take in what a figure reaches, in the order of a walk from the figure."""
        assert self._figures is not None  # noqa: S101
        known = self._figures.get(id(figure))
        if known is None:
            walk = _Walk(self._namespace, self._limit, None)
            walk.run(figure)
            known = self._figures[id(figure)] = (walk.found, walk._seen)
        found, seen = known
        self.found.include(found)
        self._seen_there = {**self._seen_there, **seen} if self._seen_there else seen

    def _generic(self, value: Any) -> None:
        if isinstance(value, (bytearray, memoryview, array.array)):
            self.found.size += memoryview(value).nbytes
            if isinstance(value, (bytearray, array.array)):
                self._memory(*place_of_buffer(value))
        elif isinstance(value, dict):
            self.found.acts |= fills_itself(value)
        elif not gc.is_tracked(value) and type(value) is not object:
            kind = type(value)
            self.found.unseen |= not f"{kind.__module__}.{kind.__qualname__}".startswith(_OWN_MEMORY)
        if type(value).__dictoffset__:
            _quietly(lambda: object.__getattribute__(value, "__dict__"))  # made when first asked for: it is there then
        self._waiting.extend(gc.get_referents(value))  # its class among them
        self._waiting.append(type(value))

    def _suspended(self, value: Any) -> None:
        """A generator or coroutine: its frame's variables and its code."""
        code = getattr(value, "gi_code", None) or getattr(value, "cr_code", None) or getattr(value, "ag_code", None)
        frame = getattr(value, "gi_frame", None) or getattr(value, "cr_frame", None) or getattr(value, "ag_frame", None)
        if code is not None and frame is not None and frame.f_globals is self._namespace:
            names = names_of(code)
            self.found.seeds |= names.seeds
            self.found.uses.add(names.names)
            self.found.opaque |= names.opaque
        if frame is not None:
            self._waiting.extend(frame.f_locals.values())

    # -- what the garbage collector does not see -----------------------------------------------------------------

    def _numpy(self, value: Any) -> None:
        numpy = sys.modules["numpy"]
        if not isinstance(value, numpy.ndarray):
            if isinstance(value, (numpy.generic, numpy.dtype, numpy.ufunc)):
                self.found.ids.pop(id(value), None)
            elif isinstance(value, _bit_generators(numpy)):  # its capsule points to itself
                self._waiting.append(value.seed_seq)
            else:
                self._generic(value)
            return
        self.found.size += value.nbytes
        if value.base is None:
            self._memory(value.__array_interface__["data"][0], value.nbytes)
        else:  # a view: it shares the memory of its base
            self._waiting.append(value.base)
            if not isinstance(value.base, numpy.ndarray):
                low, high = bounds_of_array(value)
                self._memory(low, high - low, foreign=True)
        if value.dtype.hasobject:
            self._elements(value.ravel(order="K").tolist() if value.dtype == object else value.tolist())
        if type(value) is not numpy.ndarray:
            self._waiting.append(getattr(value, "__dict__", None))

    def _torch(self, value: Any) -> None:
        torch = sys.modules["torch"]
        if isinstance(value, torch.Tensor):
            storage = _quietly(lambda: value.untyped_storage())
            if storage:
                self.found.ids[storage.data_ptr() or id(value)] = None
                self.found.size += storage.nbytes()
                if storage.device.type == "cpu":  # one that can't grow has its memory from elsewhere
                    self._memory(storage.data_ptr(), storage.nbytes(), foreign=not storage.resizable())
            if value.grad is not None:
                self._waiting.append(value.grad)
        elif isinstance(value, (torch.dtype, torch.device, torch.Size)):
            self.found.ids.pop(id(value), None)
            return
        self._generic(value)

    def _polars(self, value: Any) -> None:
        kind = type(value).__name__
        if kind in ("DataFrame", "Series"):
            self.found.size += int(_quietly(lambda: value.estimated_size()))
            self._foreign(places_of_polars, value)
        elif kind == "LazyFrame":  # what it goes on from can't be seen
            self.found.unseen = True

    def _foreign(self, places: Callable[[Any], Iterable[tuple[int, int]]], value: Any) -> None:
        """Note where the memory of another library's object lies: it may have come from elsewhere as it is."""
        for address, size in _quietly(lambda: list(places(value))) or ():
            self._memory(address, size, foreign=True)

    def _memory(self, address: int, size: int, *, foreign: bool = False) -> None:
        if size:
            self.found.memory[address] = max(address + size, self.found.memory.get(address, 0))
            self.found.foreign |= foreign

    def _pandas(self, value: Any) -> None:
        manager = getattr(value, "_mgr", None)
        if manager is None:
            self._generic(value)
            return
        self._waiting.extend(manager.arrays)
        self._waiting.extend(axis.array for axis in manager.axes if type(axis).__name__ != "RangeIndex")
        self._waiting.append(value.attrs)


def _text_size(values: Iterable[Any]) -> int:
    """Return about the characters and bytes in many values: of a long sequence, from some of them."""
    count = len(values)  # type: ignore[arg-type]
    every = count // _SAMPLED + 1
    texts = (each for each in islice(values, 0, None, every) if isinstance(each, (str, bytes)))
    return every * sum(map(len, texts))


def _bit_generators(numpy: Any) -> Any:
    random = sys.modules.get("numpy.random")  # numpy loads it when it is first used
    return () if random is None else (random.BitGenerator,)


def _quietly(get: Any) -> Any:
    """Ask an object of a library something that it may refuse (a lazy frame has no size)."""
    try:
        return get()
    except Exception:
        return 0
