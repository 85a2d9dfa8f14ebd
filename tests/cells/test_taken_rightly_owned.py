"""Objects that modules own: a copy from the cache would not be the module's any more."""

from __future__ import annotations

import pytest

from .edits import check

CONF = """
class Settings:
    lr = 1
    seen = []
S = Settings()
T = Settings()
T.lr = [1]
_registry = {}
LR = 1
def train(): return S.lr
def get(name): return _registry.setdefault(name, [])
def tell(n):
    global LR
    LR = n
    return n
"""
OWNED = {
    "an instance": ("from conf import S, train\n---\nS.lr = 5\n---\n!y = 0", "y = train()"),
    "an instance, edited": ("from conf import S, train\n---\n!S.lr = 5\n---\ny = train()", "S.lr = 6"),
    "an instance under another name": ("from conf import S as s, train\n---\ns.lr = 5\n---\n!y = 0", "y = train()"),
    "an instance with parts": ("import conf\nt = conf.T\n---\nt.lr.append(5)\n---\n!y = 0", "y = conf.T.lr"),
    "a nested container": (
        "import conf\n---\na = conf.get('k')\n---\na.append(2)\n---\n!y = 0",
        "y = list(conf.get('k'))",
    ),
    "a nested container, edited": (
        "import conf\n---\na = conf.get('k')\n---\n!a.append(2)\n---\ny = list(conf.get('k'))",
        "a.append(3)",
    ),
    "a class": ("from conf import Settings\n---\n!Settings.lr = 5\n---\ny = Settings.lr", "Settings.lr = 6"),
    "a class, read by a new cell": ("from conf import Settings\n---\nSettings.lr = 5\n---\n!y = 0", "y = Settings.lr"),
    "a class's list": (
        "from conf import Settings\nl = Settings.seen\n---\n!l.append(1)\n---\ny = list(Settings.seen)",
        "l.append(2)",
    ),
    "a global that a function sets": ("import conf\n---\nr = conf.tell(5)\n---\n!y = 0", "y = conf.LR"),
    "a global that a function sets, edited": (
        "import conf\n---\n!r = conf.tell(5)\n---\ny = conf.LR",
        "r = conf.tell(6)",
    ),
    "what is put into a module": (
        "import conf\nl = [1]\n---\nr = conf._registry.update(k=l)\n---\nl.append(2)\n---\n!y = 0",
        "y = list(conf.get('k'))",
    ),
}


@pytest.mark.parametrize("what", OWNED)
def test_what_a_module_owns_is_not_copied(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("")
    check(*OWNED[what], files={"conf.py": CONF})
