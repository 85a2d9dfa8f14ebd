"""The states of the process's random generators as values: read, and set again."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterable
from typing import Any

from .numpy_random import was_set


def generator_states(used: Iterable[str]) -> dict[str, Any]:
    """Return the states of global random generators (``random``, ``numpy``, ``torch``) as values that can be kept."""
    found: dict[str, Any] = {}
    for name in used:
        if name == "random":
            found[name] = random.getstate()
        elif name == "numpy":
            found[name] = sys.modules["numpy"].random.get_state(legacy=False)
        elif name == "torch":
            torch = sys.modules["torch"]
            cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
            found[name] = [each.numpy() for each in (torch.get_rng_state(), *cuda)]
    return found


def set_generator(name: str, state: Any) -> None:
    """Set a global random generator to a state that :func:`generator_states` gave."""
    if name == "random":
        random.setstate(state)
    elif name == "numpy":
        importlib.import_module("numpy.random").set_state(state)
        was_set()
    elif name == "torch":
        torch = importlib.import_module("torch")
        torch.set_rng_state(torch.from_numpy(state[0]))
        if len(state) > 1 and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([torch.from_numpy(each) for each in state[1:]])
