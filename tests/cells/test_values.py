"""Variables come back as they were: a table of kinds of objects, and what is refused with the reason."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import NotKeptError, NotRestoredError, header, keep, restore
from jupyter_mlops.errors import DiskFullError

from .kept import made_by, main_module, run, there_and_back


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "values")


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    with main_module() as namespace:
        yield namespace


def _cells(file: str) -> dict[str, tuple[str, list[str]]]:
    """Read a table: title, what a cell makes, and (after >>>) what is to be seen then."""
    found = {}
    for block in (Path(__file__).parent / file).read_text(encoding="utf-8").strip().split("\n\n"):
        title, *lines = block.split("\n")
        source = "\n".join(line for line in lines if not line.startswith(">>> "))
        found[title.removeprefix("# ")] = (source, [line[4:] for line in lines if line.startswith(">>> ")])
    return found


#: After >>> stand expressions that are to have the same value in the namespace that the variables come to.
KINDS = _cells("kinds.txt")
#: After >>> stands a part of the reason.
REFUSED = _cells("refused.txt")


def shown(expression: str, namespace: dict[str, Any]) -> str:
    import numpy
    import pandas
    import torch

    numpy.set_printoptions(threshold=20, precision=17)
    torch.set_printoptions(precision=8)
    pandas.set_option("display.precision", 17)
    try:
        return repr(eval(expression, namespace))
    except Exception as error:
        return f"!! {type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_cell_makes_comes_back(kind: str, store: BlobStore, notebook: dict[str, Any]) -> None:
    source, expressions = KINDS[kind]
    # Given what a cell made, all of it one group, When it is restored into an empty namespace
    names = made_by(source, notebook)
    with main_module() as after:
        kept = there_and_back(store, names, notebook, after, verify=True)
        # Then it looks and behaves as before, also where it is changed
        assert kept.verified
        assert set(kept.types) == set(names)
        restored = [shown(expression, after) for expression in expressions]
    assert restored == [shown(expression, notebook) for expression in expressions]
    assert not [each for each in restored if each.startswith("!!")], restored


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 80


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_not_come_back_is_refused(kind: str, store: BlobStore, notebook: dict[str, Any]) -> None:
    source, (reason,) = REFUSED[kind]
    names = made_by(source, notebook)
    with pytest.raises(NotKeptError) as refused:
        keep(store, {name: notebook[name] for name in names}, notebook)
    assert reason in refused.value.why
    assert refused.value.name in names
    assert refused.value.details["object"].startswith(refused.value.name)
    assert not list(store.folder.glob("??/*"))


@pytest.mark.parametrize(
    "source", ["import types; x = types.ModuleType('made')", "import sys; x = sys.modules['__main__']"]
)
def test_modules_that_nobody_can_import_are_refused(source: str, store: BlobStore, notebook: dict[str, Any]) -> None:
    run(source, notebook)
    with pytest.raises(NotKeptError, match="x: module"):
        keep(store, {"x": notebook["x"]}, notebook)


# -- the namespace -------------------------------------------------------------------------------------------------


def test_functions_see_what_is_bound_later(store: BlobStore, notebook: dict[str, Any]) -> None:
    run("k = 1\ndef f(): return k\nclass A:\n    def g(self): return f() + k", notebook)
    with main_module() as after:
        there_and_back(store, ["f", "A"], notebook, after)
        assert after["f"].__globals__ is after
        after["k"] = 20
        assert (after["f"](), after["A"]().g()) == (20, 40)
        run("def f(): return 'new'", after)
        after["k"] = "!"
        assert after["A"]().g() == "new!"
    assert notebook["f"]() == 1


def test_restoring_is_no_definition(store: BlobStore, notebook: dict[str, Any]) -> None:
    """In the kernel that kept it, a class comes back as it was then; the one of now stays as it is."""
    run("class A:\n    n = 1\na = A()", notebook)
    old = notebook["A"]
    kept = keep(store, {"A": old, "a": notebook["a"]}, notebook)
    old.n = 2
    back = restore(store, kept.digest, notebook)
    assert back["A"] is not old
    assert (back["A"].n, back["a"].n, old.n, notebook["a"].n) == (1, 1, 2, 2)
    assert notebook["A"] is old


def test_some_names_of_a_group(store: BlobStore, notebook: dict[str, Any]) -> None:
    run("a = [1]; b = {'a': a}; c = (a, b)", notebook)
    kept = keep(store, {name: notebook[name] for name in "abc"}, notebook)
    back = restore(store, kept.digest, {}, names=["c", "a"])
    assert sorted(back) == ["a", "c"]
    assert back["c"][0] is back["a"]
    with pytest.raises(NotRestoredError, match="d is not among them"):
        restore(store, kept.digest, {}, names=["d"])


def test_a_class_of_another_group_is_not_copied(store: BlobStore, notebook: dict[str, Any]) -> None:
    run("class A: pass\na = A()\ndef f(): pass\nx = [f]\nimport re\np = re.compile('x'); q = [p]", notebook)
    with pytest.raises(NotKeptError, match="it is shared with 'A', which is kept apart") as refused:
        keep(store, {"a": notebook["a"]}, notebook)
    assert refused.value.name == "a"
    assert refused.value.shared_with == "A"
    with pytest.raises(NotKeptError, match="it is shared with 'f'"):
        keep(store, {"x": notebook["x"]}, notebook)
    keep(store, {"q": notebook["q"]}, notebook)  # nobody can tell a pattern from its copy
    # Told where it is, the group refers to it by its name
    kept = keep(store, {"a": notebook["a"]}, notebook, links={"A": notebook["A"]}, verify=True)
    assert kept.links == ("A",)
    other = type("A", (), {})
    back = restore(store, kept.digest, {}, links={"A": other}.__getitem__)
    assert type(back["a"]) is other
    with pytest.raises(NotRestoredError, match="refer to 'A'"):
        restore(store, kept.digest, {})


def test_objects_of_local_modules_go_by_reference(
    store: BlobStore, notebook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "helper_of_mine.py"
    file.write_text("class A:\n    def f(self): return 'old'\ndef make():\n    return lambda: NAME\nNAME = 'n'\n")
    run("import helper_of_mine as h\na = h.A(); f = h.A.f; l = h.make()", notebook)
    kept = keep(store, {name: notebook[name] for name in "afl"}, notebook)
    assert kept.modules[-1:] == ("jupyter_mlops.cells.value_functions",) or "helper_of_mine" in kept.modules
    back = restore(store, kept.digest, {})
    module = sys.modules["helper_of_mine"]
    assert type(back["a"]) is module.A
    assert back["f"] is module.A.f
    assert back["l"].__globals__ is vars(module)
    # A class that the module has replaced meanwhile can't be told by its name
    monkeypatch.setattr(module, "A", type("A", (), {"__module__": "helper_of_mine"}))
    with pytest.raises(NotKeptError, match="was it loaded again"):
        keep(store, {"a": notebook["a"]}, notebook)
    # And without the module there is no way back
    monkeypatch.delitem(sys.modules, "helper_of_mine")
    file.unlink()
    with pytest.raises(NotRestoredError, match="The module helper_of_mine can't be imported: ModuleNotFoundError"):
        restore(store, kept.digest, {})


def test_a_class_that_is_missing(store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "another_of_mine.py").write_text("class A: pass\n")
    import another_of_mine  # type: ignore[import-not-found]

    kept = keep(store, {"a": another_of_mine.A()}, {})
    monkeypatch.delattr(another_of_mine, "A")
    with pytest.raises(NotRestoredError, match="another_of_mine has no A here"):
        restore(store, kept.digest, {})


# -- other processes -----------------------------------------------------------------------------------------------

READER = """
import json, sys
from pathlib import Path
from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import restore
assert not {"numpy", "pandas", "torch", "pyarrow", "mlflow", "cloudpickle"} & set(sys.modules), "the store is light"
namespace = sys.modules["__main__"].__dict__
namespace.update(restore(BlobStore(Path(sys.argv[1])), sys.argv[2], namespace))
for expression in sys.argv[3:]:
    print(repr(eval(expression)))
"""


def read_elsewhere(store: BlobStore, digest: str, *expressions: str) -> list[str]:
    command = [sys.executable, "-c", READER, str(store.folder), digest, *expressions]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_another_process_gets_them(store: BlobStore, notebook: dict[str, Any]) -> None:
    run(
        """
        import numpy as np, pandas as pd
        class Model:
            def __init__(self, frame): self.frame = frame
            def total(self): return scale(self.frame.to_numpy().sum())
        def scale(x): return x * factor
        factor = 2
        df = pd.DataFrame({"a": np.arange(100_000.), "b": 1.0})
        m = Model(df); v = df["a"].to_numpy()
        """,
        notebook,
    )
    names = ["Model", "scale", "df", "m", "v"]
    kept = keep(store, {name: notebook[name] for name in names}, notebook)
    assert kept.codecs == ("numpy", "pandas")
    shown = read_elsewhere(
        store, kept.digest, "globals().update(factor=3)", "m.total()", "m.frame is df", "v.base is not None",
        "(v.__setitem__(0, 5.0), df.iloc[0, 0])[1]", "type(m) is Model",
    )  # fmt: skip
    assert shown == ["None", repr(notebook["df"].to_numpy().sum() * 3), "True",
                     "True", "np.float64(5.0)", "True"]  # fmt: skip
    # What was changed there is not changed in the store
    assert restore(store, kept.digest, {})["df"].iloc[0, 0] == 0


def test_another_python_or_package_is_refused(store: BlobStore, notebook: dict[str, Any]) -> None:
    run("import numpy as np\na = np.arange(3)", notebook)
    kept = keep(store, {"a": notebook["a"]}, notebook)
    told = header(store, kept.digest)
    assert told["python"] == list(sys.version_info[:2])
    assert told["packages"]["numpy"] == notebook["np"].__version__
    assert told["types"] == {"a": "numpy.ndarray"}
    assert told["blobs"] == [kept.digest] == list(kept.blobs)
    blob = bytes(store.get(kept.digest))
    version = notebook["np"].__version__.encode()
    for then, now, message in (
        (b'"python":[3,%d]' % sys.version_info[1], b'"python":[3,99]', "kept by Python 3.99, and this is Python 3"),
        (b'"implementation":"cpython"', b'"implementation":"pypyyyy"', "kept by Python"),
        (b'"numpy":"' + version, b'"numpy":"' + version[::-1], "kept with numpy"),
        (b"mlops-values-1", b"mlops-values-0", "another version of jupyter_mlops"),
    ):
        assert then in blob
        foreign = store.put(blob.replace(then, now.ljust(len(then))[: max(len(then), len(now))]))
        with pytest.raises(NotRestoredError, match=message):
            restore(store, foreign, {})
    other = store.put(blob.replace(b'"numpy":"' + version, b'"numpy":"' + version[::-1]))
    assert list(restore(store, other, {}, any_version=True)["a"]) == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"mlops-values-1\n\0", b"mlops-values-1\n\0" + bytes(24)])
def test_what_is_no_group_is_told(store: BlobStore, content: bytes) -> None:
    with pytest.raises(NotRestoredError):
        restore(store, store.put(content), {})
    with pytest.raises(NotRestoredError):
        header(store, "0" * 64)


def test_a_group_whose_memory_is_gone_or_damaged(store: BlobStore, notebook: dict[str, Any]) -> None:
    run("import numpy as np\na = np.arange(100_000.)", notebook)
    kept = keep(store, {"a": notebook["a"]}, notebook)
    memory = store.path(kept.blobs[1])
    memory.chmod(0o600)
    memory.write_bytes(bytes(memory.stat().st_size))
    with pytest.raises(NotRestoredError, match="does not have the content"):
        restore(store, kept.digest, {})
    with pytest.raises(NotRestoredError, match="was removed"):
        restore(store, kept.digest, {})
    # Keeping them again makes it good
    assert keep(store, {"a": notebook["a"]}, notebook).written == 800_000
    assert restore(store, kept.digest, {})["a"].sum() == notebook["a"].sum()


def test_nothing_is_read_from_a_folder_that_others_may_write_to(store: BlobStore, notebook: dict[str, Any]) -> None:
    run("a = [1]", notebook)
    kept = keep(store, {"a": notebook["a"]}, notebook)
    store.folder.chmod(0o777)
    with pytest.raises(NotRestoredError, match="Other users may write"):
        restore(store, kept.digest, {})


def test_a_full_disk_says_so_and_keeps_what_was_there(small_disk: Path, notebook: dict[str, Any]) -> None:
    store = BlobStore(small_disk / "values")
    run("import numpy as np\na = np.arange(10_000.); b = np.arange(2_000_000.)", notebook)
    kept = keep(store, {"a": notebook["a"]}, notebook)
    with pytest.raises(DiskFullError):
        keep(store, {"b": notebook["b"]}, notebook)
    assert restore(store, kept.digest, {})["a"].sum() == notebook["a"].sum()


KILLED = """
import sys
import textwrap
from pathlib import Path
import numpy as np
from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import keep
store = BlobStore(Path(sys.argv[1]))
print("ready", flush=True)
for n in range(10_000):
    a = np.full(300_000, float(n))
    print(keep(store, {"a": a, "v": a[5:], "n": n}, {}).digest, flush=True)
"""


@pytest.mark.chaos
def test_a_kernel_that_is_killed_leaves_a_readable_store(store: BlobStore) -> None:
    for delay in (0.02, 0.05, 0.11, 0.17):
        command = [sys.executable, "-c", KILLED, str(store.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
            digests = [line.strip() for line in process.stdout if line.endswith("\n")]
        for n, digest in enumerate(digests):
            back = restore(store, digest, {})
            assert (back["n"], back["a"][0], back["v"].base is not None) == (n, n, True)


def test_two_kernels_keep_the_same_values_at_once(store: BlobStore) -> None:
    script = KILLED.replace("10_000", "30")
    command = [sys.executable, "-c", script, str(store.folder)]
    kernels = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _each in range(2)]
    said = [kernel.communicate()[0].split() for kernel in kernels]
    assert [kernel.returncode for kernel in kernels] == [0, 0]
    assert said[0] == said[1]
    assert len(list(store.folder.glob("??/*"))) == 60
    for n, digest in enumerate(said[0][1:]):
        assert restore(store, digest, {})["a"][-1] == n


# -- kernels -------------------------------------------------------------------------------------------------------


def test_a_kernel_gets_what_another_had(store: BlobStore) -> None:
    """Its namespace is ``__main__`` with IPython's own names in it, among them ``_``, which is the last result."""
    from jupyter_client.manager import KernelManager

    from jupyter_mlops.engine.kernel_ports import choose_ports

    prepare = f"""
        from pathlib import Path as _Path
        from jupyter_mlops.cells.blobs import BlobStore as _Store
        from jupyter_mlops.cells.values import keep as _keep, restore as _restore
        _store = _Store(_Path({str(store.folder)!r}))
        _space = get_ipython().user_ns
    """
    define = """
        import dataclasses
        @dataclasses.dataclass
        class Model:
            rows: list
            def total(self): return sum(self.rows) * factor
        factor = 2
        model = Model([1, 2]); rows = model.rows
        async def later(): return model.total()
        gen = (n for n in range(3))
        model
    """
    asked = "print(model.total(), model.rows is rows, type(model) is Model, model == Model([1, 2]), await later())"

    def ask(source: str) -> str:
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] in ("stream", "error"):
                printed.append(content.get("text") or "\\n".join(content["traceback"]))

        client.execute_interactive(textwrap.dedent(source), timeout=60, output_hook=take)
        return "".join(printed).strip()

    digest = ""
    for source, expected in (
        (define, "6 True True True 6"),
        ("factor = 3", "9 True True True 9"),
    ):
        manager = KernelManager(kernel_name="python3")
        choose_ports(manager)
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            assert ask(prepare) == ""
            assert ask(source) == ""
            if not digest:
                group = "{name: _space[name] for name in ('Model', 'model', 'rows', 'later')}"
                digest = ask(f"print(_keep(_store, {group}, _space, verify=True).digest)")
                assert len(digest) == 64, digest
                refused = ask("_keep(_store, {'gen': gen}, _space)")
                assert "it stands in the middle of its code" in refused
            else:
                assert ask(f"_space.update(_restore(_store, {digest!r}, _space))") == ""
            assert ask(asked) == expected
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
