"""Where files and environments differ, and why a cell may give another result each time."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_mlops.cells.record import Execution
from jupyter_mlops.reproduction.causes import reasons
from jupyter_mlops.reproduction.comparing import Comparer, input_in_words
from jupyter_mlops.reproduction.environments import Lock, as_far_as_known, differences, requirements
from jupyter_mlops.reproduction.tables import first_difference
from jupyter_mlops.reproduction.types import InputDifference, PackageChange


def parquet(**columns: list[object]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, row_group_size=3)
    return out.getvalue()


@pytest.mark.parametrize(
    ("path", "then", "now", "said"),
    [
        ("a.csv", b"a,b\n1,2\n3,4\n", b"a,b\n1,2\n3,5\n", "row 2, column b: '4' then, '5' now"),
        ("a.csv", b"a,b\n1,2\n", b"a,b\n1,2\n3,4\n", "row 2 is new: ['3', '4']"),
        ("a.csv", b"a,b\n1,2\n3,4\n", b"a,b\n1,2\n", "row 2 is gone: ['3', '4']"),
        ("a.csv", b"a,b\n1,2\n", b"a,c\n1,2\n", "the column 'b' is now 'c'"),
        ("a.csv", b"a\n1\n", b"a,b\n1,2\n", "the column 'b' is new"),
        ("a.csv", b'a,b\n"x\ny",2\n3,4\n', b'a,b\n"x\ny",2\n3,9\n', "row 2, column b: '4' then, '9' now"),
        ("a.csv", b"a,b\n1,2\n", b"a,b\n1,2,3\n", "row 1, column 3: None then, '3' now"),
        ("a.csv", b"a\n1\n", b"a\r\n1\r\n", "only the ends of lines differ"),
        ("a.csv", b"", b"a\n", "the column 'a' is new"),
        ("a.tsv", b"a\tb\n1\t2\n", b"a\tb\n1\t3\n", "row 1, column b: '2' then, '3' now"),
        ("m.py", b"x = 1\ny = 2\n", b"x = 1\ny = 3\n", "line 2: 'y = 2' then, 'y = 3' now"),
        ("m.py", b"x = 1\n", b"x = 1\ny\n", "line 2 is new: 'y'"),
        ("m.bin", b"\xff\0", b"\xff\0\0", "2 bytes then, 3 bytes now"),
        ("a.parquet", b"no parquet", b"nor this", "line 1: 'no parquet' then, 'nor this' now"),
        ("m.py", b"same", b"same", ""),
    ],
)
def test_the_first_difference(path: str, then: bytes, now: bytes, said: str) -> None:
    assert first_difference(path, then, now) == said


def test_parquet_is_compared_by_value() -> None:
    nan = float("nan")
    then = parquet(n=[1, 2, 3, 4, 5], x=[0.5, nan, 1.0, None, 2.0])
    assert first_difference("t.parquet", then, parquet(n=[1, 2, 3, 4, 5], x=[0.5, nan, 1.0, None, 2.5])) == (
        "row 5, column x: 2.0 then, 2.5 now"
    )
    assert first_difference("t.parquet", then, parquet(n=[1, 2, 3, 4], x=[0.5, nan, 1.0, None])) == (
        "row 5 is gone: [5, 2.0]"
    )
    assert first_difference("t.parquet", then, parquet(n=["1"], x=[0.5])) == ("the column 'n int64' is now 'n string'")


def test_environments() -> None:
    then = "# CPython 3.11.7 on linux x86_64\na==1\nb==2\ngone==1\n"
    now = "# CPython 3.12.0 on linux x86_64\na==1\nb==2.1\nnew==1\n"
    assert [(each.name, each.then, each.now) for each in differences(then, now)] == [
        ("Python", "CPython 3.11.7 on linux x86_64", "CPython 3.12.0 on linux x86_64"),
        ("b", "2", "2.1"),
        ("gone", "1", ""),
        ("new", "", "1"),
    ]
    assert differences(then, then) == []


def test_the_operating_system_and_the_image() -> None:
    then = "# CPython 3.11.7 on linux x86_64\n# OS: Debian GNU/Linux 12 (bookworm)\n# Image: lab:1\na==1\n"
    now = "# CPython 3.11.7 on linux x86_64\n# OS: Ubuntu 24.04.1 LTS\n# Image: lab:2\na==1\n"
    changes = differences(then, now)
    assert [(each.name, each.then, each.now) for each in changes] == [
        ("operating system", "Debian GNU/Linux 12 (bookworm)", "Ubuntu 24.04.1 LTS"),
        ("container image", "lab:1", "lab:2"),
    ]
    said = InputDifference(kind="package", name=changes[0].name, then=changes[0].then, now=changes[0].now)
    assert input_in_words(said) == "operating system Ubuntu 24.04.1 LTS was Debian GNU/Linux 12 (bookworm)"
    # What an older record does not tell is not known, and no difference
    older = "# CPython 3.11.7 on linux x86_64\na==1\n"
    assert differences(older, now) == differences(then, older) == []
    assert as_far_as_known(now, older) == older
    assert as_far_as_known(now, then) == now


def test_records_with_other_operating_systems_are_compared() -> None:
    def inputs(changes: list[PackageChange] | None) -> list[tuple[str, str]]:
        comparer = Comparer(lambda _then, _now: changes, lambda *_: "", lambda _: False, here="/a", original="/b")
        return [(each.name, each.now) for each in comparer._package_inputs("hash then", "hash now")]

    assert inputs([PackageChange(name="operating system", then="a", now="b")]) == [("operating system", "b")]
    assert inputs([]) == []  # a record from before the operating system was recorded
    assert inputs(None) == [("environment", "hash now")]  # its text is gone


@pytest.mark.parametrize("text", ["", "\n", "# \n", "#\n==\n", "# OS: \n", "== ==\n# OS\n"])
def test_texts_that_say_nothing(text: str) -> None:
    lock = Lock.of(text)
    assert lock.interpreter == ("", "") and (lock.system, lock.image) == ("", "")
    assert not any(each.line for each in requirements(lock, text, [(Path("/a"), Path("/b"))]))


def test_only_places_are_taken_from_kept_sources() -> None:
    lock = Lock.of("# CPython 3.11.7 on linux x86_64\na==1\nb==1\n")
    sources = "a @ --index-url=https://evil.org\nb @ git+https://host.org/b@12\n--index-url x\n"
    found = requirements(lock, sources, [(Path("/a"), Path("/b"))])
    assert [each.line for each in found] == ["a==1", "b @ git+https://host.org/b@12"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import time\nt = time.time()", ["reads the clock"]),
        ("t = pd.Timestamp.now()", ["reads the clock"]),
        ("from time import perf_counter\nt = perf_counter()", ["reads the clock"]),
        ("rng = np.random.default_rng()", ["makes a random generator without a seed"]),
        ("rng = np.random.default_rng(None)", ["makes a random generator without a seed"]),
        ("rng = np.random.default_rng(3)", []),
        ("rng = np.random.default_rng(seed=3)", []),
        ("import uuid\nx = uuid.uuid4()", ["draws random numbers from the system"]),
        ("from threading import Thread\nThread(target=f).start()", ["uses threads or processes"]),
        ("%time x = 1\nx.now()", []),
        ("x = (", []),
    ],
)
def test_what_the_code_tells(source: str, said: list[str]) -> None:
    assert reasons(Execution(source=source), [source], set()) == said


def test_what_the_record_tells() -> None:
    record = Execution(
        generators={"random": ("a", "b"), "numpy": ("c", "d"), "torch": ("e", "f")},
        seeded=["torch"],
        network=["example.org"],
        programs=["git"],
        background=1,
    )
    assert reasons(record, [], {"numpy"}) == [
        "uses the generator of random without a seed",
        "uses the network (example.org)",
        "runs programs (git)",
        "leaves threads or tasks running",
    ]
