"""What follows from the time, or from numbers that nobody seeded, is not taken."""

from __future__ import annotations

import sys

import pytest

from .sessions import Session, fresh_workspace

RUNS = [
    "from datetime import date\ntoday = date.today()",
    "import datetime as dt\nnow = dt.datetime.now().isoformat()",
    "import time\nt = time.time()",
    "import time\nt = time.strftime('%Y')",
    "import pandas as pd\nt = pd.Timestamp.now()",
    "import numpy as np\nt = np.datetime64('today')",
    "from datetime import datetime\ndef stamp():\n    return datetime.utcnow()\nt = stamp()",
    "def stamp():\n    from datetime import datetime\n    return datetime.now()\nt = stamp()",
    "import time\ndef stamp():\n    return time.time()\nclass A:\n  def go(self):\n    return stamp()\nt=A().go()",
    "import uuid\nt = uuid.uuid4().hex",
    "import uuid\nt = [make() for make in [uuid.uuid4]]",
    "import numpy as np\nt = np.random.default_rng().integers(9)",
    "from numpy.random import default_rng\nt = default_rng(None).integers(9)",
    "import numpy as np\ndef draw():\n    rng = np.random.default_rng()\n    return rng.random()\nt = draw()",
    "import random\nt = random.SystemRandom().random()",
    "import secrets\nt = secrets.token_hex()",
    "import os\nt = os.urandom(2)",
    "import os\nt = os.getpid()",
    "import os\ndef name():\n    return f'log-{os.getpid()}.txt'\nt = name()",
    "import threading\nt = threading.get_ident()",
    "import shutil\nt = shutil.disk_usage('.').free > 10",
    "import os\nt = os.statvfs('.').f_bavail > 10",
]
TAKEN = [
    "import time\nt0 = time.time()\nx = 1\ntook = time.time() - t0",
    "import time\nt0 = time.perf_counter()",
    "import time\ndef timed():\n    t0 = time.time()\n    x = 1\n    return time.time() - t0\ntook = timed()",
    "from datetime import date\nd = date(2020, 1, 2).isoformat()",
    "import time\nd = time.strftime('%Y', time.gmtime(0))",
    "import numpy as np\nt = np.random.default_rng(3).integers(9)",
    "import numpy as np\ndef draw(seed):\n    return np.random.default_rng(seed).random()\nt = draw(1)",
    "import uuid\nt = uuid.UUID(int=5)",
    "import datetime\ndef later():\n    return datetime.datetime.now()\nx = 5",
]


@pytest.mark.parametrize("cell", RUNS)
def test_it_runs_again(cell: str) -> None:
    with fresh_workspace() as workspace:
        for expected in ("run", "replay"):
            session = Session(workspace)
            assert session.run(cell) and session.actions == [expected]
            assert session.records[-1]["key"] == ""


@pytest.mark.parametrize("cell", TAKEN)
def test_it_is_taken(cell: str) -> None:
    with fresh_workspace() as workspace:
        for expected in ("run", "take"):
            session = Session(workspace)
            assert session.run(cell) and session.actions == [expected]


def test_arguments_of_the_process_count(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = ["import sys\nfound = sys.argv[1:]", "x = 1"]
    with fresh_workspace() as workspace:
        for argument, expected in (("a", "run"), ("a", "take"), ("b", "replay")):
            monkeypatch.setattr(sys, "argv", ["program", argument])
            session = Session(workspace)
            session.run_all(cells)
            assert session.actions[0] == expected and session.space["found"] == [argument]
