"""The state of NumPy's global random generator, read at every cell: all of it only where it has moved.

NumPy copies a Mersenne Twister's 624 words one by one, which takes longer than many a cell. The words and the position
in them are compared where they lie. What they don't show is that one of two normal values, which are made together, is
left: as long as none was left, there can only be one after the words or the position have moved, or after somebody has
set the state. That is told by :func:`was_set`, and by code that has a word for it (``hints.GENERATOR_WORDS``).
"""

from __future__ import annotations

import ctypes
from typing import Any

#: Of ``mt19937_state``: 624 words and the position, in bytes.
_SIZE = 624 * 4 + 4
_times_set = 0


def was_set() -> None:
    """Say that the state was set, maybe to one that differs in nothing but the normal value that is left."""
    global _times_set
    _times_set += 1


class NumpyState:
    """Reads the state of ``numpy.random``'s generator as something that can be compared fast."""

    def __init__(self) -> None:
        self._generator: Any = None
        self._memory = b""
        self._set = -1
        self._state: Any = None

    def __call__(self, mtrand: Any) -> Any:
        random = mtrand._rand
        generator = random._bit_generator
        if type(generator).__name__ != "MT19937":
            return state_of(random)
        memory = ctypes.string_at(generator.ctypes.state_address, _SIZE)
        if generator is not self._generator or memory != self._memory or self._set != _times_set:
            self._state = state_of(random)
            left = bool(self._state[3])
            self._generator, self._memory, self._set = generator, memory, -1 if left else _times_set
        return self._state


def state_of(random: Any) -> Any:
    """Return the state of a ``RandomState``."""
    if type(random._bit_generator).__name__ != "MT19937":
        return repr(random.get_state(legacy=False))
    # The second of two normal values moves nothing but that there is one left.
    kind, key, *rest = random.get_state()
    return (kind, key.tobytes(), *rest)


def initial(mtrand: Any) -> Any:
    """Return the state with which the generator began."""
    random = mtrand._rand
    generator = random._bit_generator
    return state_of(type(random)(type(generator)(generator.seed_seq)))
