"""Trees of points, of SciPy and scikit-learn: they look at the memory of the array that they were made from.

SciPy's write a copy of it into their state. scikit-learn's write an array over it, which the codec of arrays joins with
all others that look there; but they hide it from the garbage collector.
"""

from __future__ import annotations

import sys
from typing import Any

from .memory_places import bounds_of_array
from .value_refusals import remembered

#: Full names of the classes whose pickle has a copy.
COPYING = ("scipy.spatial._ckdtree.cKDTree",)
_HIDING = ("sklearn.neighbors._kd_tree.", "sklearn.neighbors._ball_tree.")


@remembered
def hides_points(kind: type) -> bool:
    """Whether objects of a class have points that the garbage collector does not see."""
    return any(f"{each.__module__}.{each.__qualname__}".startswith(_HIDING) for each in kind.__mro__)


def place_of_points(value: Any) -> tuple[int, int]:
    """Return where the points of a tree lie: the address, and the bytes from there."""
    low, high = bounds_of_array(sys.modules["numpy"].asarray(value.data))
    return low, high - low


def reduce_points(value: Any, writing: Any) -> Any:
    """A tree that is written with a copy of its points: not where something else looks at them as well."""
    writing.check_bound_elsewhere(value)
    start, size = place_of_points(value)
    writing.memories.copied(start, start + size, value)
    return NotImplemented
