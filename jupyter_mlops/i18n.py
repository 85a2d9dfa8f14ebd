"""Translation of what people read: errors, command-line output, notebook output.

The catalogue's domain is ``jupyter_mlops``, the same as the front end's. A message is written as
``_("No run {run_id}").format(run_id=…)``: the literal stays whole so that it can be extracted.
"""

from __future__ import annotations

import gettext as _gettext
import os
from functools import lru_cache
from pathlib import Path

DOMAIN = "jupyter_mlops"
LOCALE_DIR = Path(__file__).parent / "locale"


@lru_cache(maxsize=8)
def _catalogue(language: str) -> _gettext.NullTranslations:
    languages = [language] if language else None
    return _gettext.translation(DOMAIN, LOCALE_DIR, languages=languages, fallback=True)


def gettext(message: str) -> str:
    """Return ``message`` in the language of ``MLOPS_LANGUAGE`` (else of the process's locale), or unchanged."""
    return _catalogue(os.environ.get("MLOPS_LANGUAGE", "")).gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """Return the form of the message that fits the number ``n``."""
    return _catalogue(os.environ.get("MLOPS_LANGUAGE", "")).ngettext(singular, plural, n)
