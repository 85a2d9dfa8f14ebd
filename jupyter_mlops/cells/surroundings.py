"""State beside the variables that a cell may use and set: random generators, options of libraries, the process.

Each part is known by the digest of its state. Two executions can only be compared where these were equal, or where
the part was not used: a random generator that did not move was not used; options are taken for used by every cell. Of
options only what differs from a library's defaults counts, so that a library that is loaded earlier in one session
than in another makes no difference.
"""

from __future__ import annotations
import __future__

import os
import sys
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from . import numpy_random
from .digests import UndigestibleError, digest_of
from .process_questions import ProcessQuestions

_NOTHING: dict[str, Any] = {}


#: Environment variables that libraries and tools set for themselves. They count where a cell sets them.
_OF_LIBRARIES = (
    "KMP_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "POLARS_",
    "TORCH",
    "PYTORCH_",
    "CUDA_",
    "TF_",
    "MPL",
    "PYTEST_",
    "GRPC_",
    "_",
)
_NUMPY_PRINTS: dict[str, Any] = {
    **{"precision": 8, "threshold": 1000, "edgeitems": 3, "linewidth": 75, "suppress": False, "nanstr": "nan"},
    **{"infstr": "inf", "sign": "-", "formatter": None, "floatmode": "maxprec", "legacy": False},
    "override_repr": None,
}
_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


@dataclass(frozen=True, slots=True)
class Generator:
    """A library's global random generator."""

    #: The module that has it; where it is not loaded nobody has used it.
    module: str
    #: Returns its state as something that can be compared fast.
    read: Callable[[Any], Any]
    #: Returns the state with which it began, so that a cell that loads the library and draws from it is seen.
    initial: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a library or of the process."""

    module: str
    #: Returns what differs from the defaults, in an order that is always the same. Nothing: as after the import.
    read: Callable[[Any], Any]


def _torch_random(torch: Any) -> Any:
    cuda = torch.cuda
    states = [torch.random.default_generator.get_state()]
    if cuda.is_initialized():
        states += cuda.get_rng_state_all()
    return [state.numpy().tobytes() for state in states]


#: Global random generators.
GENERATORS: dict[str, Generator] = {
    "random": Generator("random", lambda random: random.getstate(), lambda random: None),
    "numpy": Generator("numpy.random.mtrand", numpy_random.NumpyState(), numpy_random.initial),
    "torch": Generator("torch", _torch_random, lambda torch: [torch.Generator().get_state().numpy().tobytes()]),
}


#: Modules whose seeding functions set one generator alone; those of others (``seed_everything``) set all.
SEEDED_BY = {"random": {"random"}, "numpy.random": {"numpy"}, "numpy.random.mtrand": {"numpy"}, "torch": {"torch"}}


def _numpy_options(numpy: Any) -> Any:
    prints = numpy.get_printoptions()
    found = [(key, repr(each)) for key, each in prints.items() if each != _NUMPY_PRINTS.get(key, each)]
    errors = numpy.geterr()
    return [*found, *(errors.items() if errors != _NUMPY_ERRORS else ())]


class _PandasOptions:
    """Reads the options of pandas: all of them only where one was set since the last time."""

    def __init__(self) -> None:
        self._last: tuple[Any, list[tuple[str, str]]] | None = None

    def __call__(self, config: Any) -> list[tuple[str, str]]:
        options = config._global_config
        if self._last is None or self._last[0] != options:
            self._last = (_copied(options), _pandas_options(config))
        return self._last[1]


def _copied(options: dict[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in options.items()}


def _pandas_options(config: Any) -> list[tuple[str, str]]:
    found = []
    waiting = [("", config._global_config)]
    while waiting:
        prefix, options = waiting.pop()
        for key, value in options.items():
            name = prefix + key
            if isinstance(value, dict):
                waiting.append((f"{name}.", value))
            elif value != config._registered_options[name].defval:
                found.append((name, repr(value)))
    return sorted(found)


def _matplotlib_options(matplotlib: Any) -> Any:
    # The backend is chosen when it is first needed; that of notebooks makes figures interactive then.
    original = dict(dict.items(matplotlib.rcParamsOrig))  # as it is: asking it by a key may choose the backend
    original["interactive"] = "matplotlib_inline.backend_inline" in sys.modules
    return [
        (key, repr(value))
        for key, value in dict.items(matplotlib.rcParams)
        if value is not (other := original.get(key)) and value != other and not key.startswith("backend")
    ]


def _torch_options(torch: Any) -> Any:
    found = (str(torch.get_default_dtype()), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled())
    return [] if found == ("torch.float32", True, False) else list(found)


def _decimal_options(decimal: Any) -> Any:
    now = repr(decimal.getcontext()).partition("flags=")[0]
    return [] if now == repr(decimal.DefaultContext).partition("flags=")[0] else [now]


#: What ``from __future__`` changes in this Python, for all cells after it: the rest of it goes without saying.
_FEATURES = [
    (name, feature.compiler_flag)
    for name in __future__.all_feature_names
    if (feature := getattr(__future__, name)).getMandatoryRelease() is None
    or feature.getMandatoryRelease() > sys.version_info
]


def _compiler_options(interactiveshell: Any) -> list[str]:
    shell = interactiveshell.InteractiveShell
    flags = shell.instance().compile.flags if shell.initialized() else 0
    return [name for name, flag in _FEATURES if flags & flag]


#: Options of libraries.
OPTIONS: dict[str, Options] = {
    "warnings": Options("warnings", lambda module: [repr(each) for each in module.filters if each[0] == "error"]),
    "numpy": Options("numpy", _numpy_options),
    "matplotlib": Options("matplotlib", _matplotlib_options),
    "figures": Options("matplotlib._pylab_helpers", lambda module: list(module.Gcf.figs)),
    "sklearn": Options(
        "sklearn._config",
        lambda module: [] if (now := module.get_config()) == module._global_config else sorted(now.items(), key=str),
    ),
    "torch": Options("torch", _torch_options),
    "decimal": Options("decimal", _decimal_options),
    "compiler": Options("IPython.core.interactiveshell", _compiler_options),
}


#: Beginnings of dotted names that hold nothing but what is in :data:`OPTIONS`.
TRACKED = ("matplotlib.rcParams", "matplotlib.pyplot.rcParams", "pandas.options", "os.environ", "sys.path")


class Surroundings:
    """Digests of the state beside the variables, taken before and after each execution.

    ``root`` is the workspace's folder: the working directory counts from there, since relative paths lead to other
    files in another one.
    """

    def __init__(self, namespace: dict[str, Any] | None = None, root: str = "") -> None:
        # The process's own state counts from what the session began with, as it differs between machines; what else of
        # it a cell asks for, the cell's record holds.
        self.questions = ProcessQuestions(namespace if namespace is not None else {})
        variables, path, stored = dict(os.environ), list(sys.path), self.questions.stored
        # What lies below os.environ: a hundred variables are compared without being decoded.
        raw = dict(_encoded(os.environ))
        self._options = {
            **OPTIONS,
            "pandas": Options("pandas._config.config", _PandasOptions()),
            "environment": Options(
                "os",
                lambda os: (
                    [] if raw == _encoded(os.environ) and not stored else _differences(variables, os.environ, stored)
                ),
            ),
            "path": Options("sys", lambda sys: [] if sys.path == path else _moved(path, sys.path)),
            "folder": Options("os", self._folder),
        }
        self._root = root
        #: The working directory, as it was last asked for.
        self._here: list[str] = []
        self._known: dict[str, tuple[Any, str]] = {}

    def generators(self) -> dict[str, str]:
        """Return the digest of each global random generator that is loaded."""
        return {
            name: self._digest(name, part.read, loaded)
            for name, part in GENERATORS.items()
            if (loaded := sys.modules.get(part.module)) is not None
        }

    def loaded_generators(self) -> set[str]:
        """Return the global random generators that are loaded."""
        return {name for name, part in GENERATORS.items() if part.module in sys.modules}

    def initial(self, name: str) -> str:
        """Return the digest of the state with which a generator began; ``unknown`` where that can't be told."""
        part = GENERATORS[name]
        return self._digest(f"{name} began", part.initial, sys.modules[part.module])

    def options(self, *, moved: bool = True) -> dict[str, str]:
        """Return the digest of each library's options, and of the process's own state, that are not the defaults.

        ``moved``: the working directory may be another one than when it was last asked for. To ask for it gives other
        threads the interpreter, which costs a small cell more than all the rest here.
        """
        found = {}
        if moved:
            self._here = []
        for name, part in self._options.items():
            loaded = sys.modules.get(part.module)
            if loaded is not None and (digest := self._digest(f"options of {name}", part.read, loaded)):
                found[name] = digest
        return found

    def _folder(self, os: Any) -> list[str]:
        if not self._here:
            now = os.getcwd()
            self._here = ["" if now == self._root else _below(self._root, now)]
        return [each for each in self._here if each]

    def _digest(self, name: str, read: Callable[[Any], Any], module: Any) -> str:
        try:
            state = read(module)
            if state == []:
                return ""
            if state is None:
                return "unknown"
            known = self._known.get(name)
            if known is not None and known[0] == state:
                return known[1]
            digest = digest_of(state, _NOTHING)[:16]
        except (UndigestibleError, AttributeError, OSError, KeyError, TypeError, ValueError):
            return "unknown"  # half imported, another version, a folder that is gone
        self._known[name] = (state, digest)
        return digest


def _encoded(environment: Any) -> Any:
    return getattr(environment, "_data", environment)


def _differences(before: dict[str, str], now: Any, stored: Set[str]) -> list[tuple[str, str | None]]:
    changed = set(now.items()) ^ set(before.items())
    names = {name for name, _value in changed if not name.startswith(_OF_LIBRARIES)} | stored
    return [(name, now.get(name)) for name in sorted(names)]


def _moved(before: list[str], now: list[str]) -> list[str]:
    """Return what was added to ``sys.path``, with a mark where what was there stands; all of it where that changed."""
    known = set(before)
    if [each for each in now if each in known] != before:
        return list(now)
    found: list[str] = []
    for each in now:
        if each not in known:
            found.append(each)
        elif found[-1:] != ["…"]:
            found.append("…")
    return found


def _below(root: str, folder: str) -> str:
    return os.path.relpath(folder, root) if root and f"{folder}/".startswith(f"{root}/") else folder


def is_tracked(name: str) -> bool:
    """Whether a dotted name holds nothing but what is in :data:`OPTIONS`, or belongs to what does."""
    return any(name == each or name.startswith(f"{each}.") for each in TRACKED)
