"""Importing skops without what it drags along.

To know the types that it trusts, skops asks scikit-learn for all estimators, for which scikit-learn imports every
package below it; one of them, its array adapter for PyTorch, imports PyTorch: a second or more of every start and
200 MB of every model server, for nothing.
"""

from __future__ import annotations

import sys
from typing import Any

_ADAPTER = "sklearn.externals.array_api_compat.torch"


def skops_io() -> Any:
    """Return the module ``skops.io``. Raises ``ImportError`` where skops is not installed."""
    blocked = _ADAPTER not in sys.modules
    if blocked:
        sys.modules[_ADAPTER] = None  # type: ignore[assignment]  # "import" of it now fails, which the walk ignores
    try:
        import skops.io
    finally:
        if blocked:
            sys.modules.pop(_ADAPTER, None)
    return skops.io
