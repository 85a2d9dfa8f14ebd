"""The store of blobs: what is read is what was written, whatever happens to disk, folder and writers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_mlops.cells.blobs import LEAF, MAPPED_FROM, SEALED_FROM, BlobStore, digest_of
from jupyter_mlops.errors import DiskFullError, MlopsError, NotFoundError, ReadOnlyError, StoreError
from tests.conftest import fill


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def of(size: int, seed: int = 1) -> bytes:
    """Some content of a size."""
    return ((seed.to_bytes(4, "big") + bytes(range(251))) * (size // 255 + 1))[:size]


SIZES = (0, 1, MAPPED_FROM - 1, MAPPED_FROM, LEAF, LEAF + 1, 3 * LEAF, SEALED_FROM, SEALED_FROM + 12345)


@pytest.mark.parametrize("size", SIZES)
def test_content_comes_back_and_is_stored_once(store: BlobStore, size: int) -> None:
    whole = of(size)
    digest, fresh = store.add(whole)
    assert fresh
    assert store.get(digest) == whole
    assert bytes(store.private(digest)) == whole
    # However it is cut into pieces
    pieces = [memoryview(whole)[start : start + 1_000_001] for start in range(0, size, 1_000_001)]
    assert store.add(*pieces) == (digest, False)
    assert digest_of([memoryview(whole)]) == digest
    assert len(list(store.folder.glob("??/*"))) == 1


def test_different_content_has_different_digests() -> None:
    leaves = [of(LEAF), of(LEAF, 2)]
    digests = {
        digest_of([memoryview(each) for each in pieces])
        for pieces in (leaves, leaves[::-1], [leaves[0]], [leaves[0], b"x"], [b""], [b"\0"], [of(2 * LEAF)])
    }
    assert len(digests) == 7


def test_private_memory_may_be_written_to(store: BlobStore) -> None:
    whole = of(MAPPED_FROM * 2)
    digest = store.put(whole)
    private = store.private(digest)
    private[:3] = b"xyz"
    assert bytes(private[:3]) == b"xyz"
    assert store.get(digest) == whole
    with pytest.raises(TypeError):
        store.get(digest)[0] = 1


def damage(path: Path, how: str) -> None:
    """Damage a blob as a disk, or a person, would."""
    path.chmod(0o600)
    whole = bytearray(path.read_bytes())
    match how:
        case "bit":
            whole[len(whole) // 2] ^= 1
        case "cut":
            whole = whole[:-1]
        case "longer":
            whole += b"x"
        case "zeros":
            whole[:] = bytes(len(whole))
        case "foreign":
            whole = bytearray(b"something else")
        case "empty":
            whole = bytearray()
    path.write_bytes(whole)


@pytest.mark.parametrize("size", [10, MAPPED_FROM, SEALED_FROM])
@pytest.mark.parametrize("how", ["bit", "cut", "longer", "zeros", "foreign", "empty"])
@pytest.mark.parametrize("reader", ["get", "private"])
def test_damage_is_told_and_made_good_by_writing_again(store: BlobStore, size: int, how: str, reader: str) -> None:
    whole = of(size)
    digest = store.put(whole)
    store.get(digest)  # a whole seal is no excuse
    damage(store.path(digest), how)
    with pytest.raises(StoreError, match="damaged"):
        getattr(store, reader)(digest)
    assert digest not in store
    with pytest.raises(NotFoundError):
        store.get(digest)
    assert store.add(whole) == (digest, True)
    assert store.get(digest) == whole


def test_a_cut_off_blob_is_written_again_even_if_nobody_read_it(store: BlobStore) -> None:
    digest = store.put(of(1000))
    damage(store.path(digest), "cut")
    assert store.add(of(1000)) == (digest, True)
    assert store.get(digest) == of(1000)


def test_the_seal_breaks_with_the_start_of_the_machine(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a large blob that a crash of the machine has damaged without a trace in its times
    digest = store.put(of(SEALED_FROM))
    path = store.path(digest)
    times = path.stat()
    damage(path, "bit")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(store.get(digest)) == SEALED_FROM  # within one boot the seal is believed
    # When the machine has started again, Then the content is compared
    monkeypatch.setattr("jupyter_mlops.cells.blobs._boot", lambda: "another boot")
    with pytest.raises(StoreError, match="damaged"):
        store.get(digest)


def test_opening_a_large_blob_again_takes_no_time(store: BlobStore) -> None:
    digest = store.put(of(64 * 1024 * 1024))
    times = []
    for _try in range(5):  # the machine may be busy
        begun = time.perf_counter()
        store.private(digest)
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.02


def test_the_folder_is_the_users_alone(store: BlobStore) -> None:
    digest = store.put(b"x")
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert store.path(digest).stat().st_mode & 0o777 == 0o400
    store.folder.chmod(0o770)
    for use in (lambda: store.get(digest), lambda: store.put(b"y")):
        with pytest.raises(StoreError, match="Other users may write"):
            use()
    store.folder.chmod(0o700)
    assert store.get(digest) == b"x"


def test_a_link_in_place_of_a_blob_is_not_followed(store: BlobStore, tmp_path: Path) -> None:
    digest = store.put(b"secret")
    path = store.path(digest)
    (tmp_path / "elsewhere").write_bytes(b"secret")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MlopsError):
        store.get(digest)


def test_a_full_disk_leaves_nothing_half_written(small_disk: Path) -> None:
    store = BlobStore(small_disk / "blobs")
    kept = store.put(of(1000))
    ballast = fill(small_disk, leave=64 * 1024)
    for size in (MAPPED_FROM * 2, 100 * 1024):  # with and without the space asked for beforehand
        with pytest.raises(DiskFullError, match="No space is left"):
            store.put(of(size, 7))
    assert [path.name for path in store.folder.glob("??/*")] == [kept]
    assert store.get(kept) == of(1000)
    ballast.unlink()
    assert store.get(store.put(of(MAPPED_FROM * 2, 7))) == of(MAPPED_FROM * 2, 7)


def test_a_folder_that_can_only_be_read(small_disk: Path) -> None:
    store = BlobStore(small_disk / "blobs")
    digest = store.put(of(1000))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        assert store.get(digest) == of(1000)
        with pytest.raises(ReadOnlyError):
            store.put(b"new")
        with pytest.raises(ReadOnlyError):
            store.collect(needed=[], min_age=-1)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def _writer(folder: Path, seed: int, rounds: int) -> None:
    store = BlobStore(folder)
    for number in range(rounds):
        whole = of(300_000 + number, number % 5)
        assert store.get(store.put(whole)) == whole
        if seed == 0:
            store.collect(needed=[], max_bytes=1_000_000)


def test_processes_share_a_store(tmp_path: Path) -> None:
    # Given two processes that write and read the same blobs, one of which cleans up all the time
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_writer, args=(tmp_path / "blobs", seed, 40)) for seed in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    # Then none of them missed one
    assert [process.exitcode for process in processes] == [0, 0]


KILLED = """
import sys
from pathlib import Path
from jupyter_mlops.cells.blobs import BlobStore
store = BlobStore(Path(sys.argv[1]))
print("ready", flush=True)
n = 0
while True:
    n += 1
    store.put(n.to_bytes(8, "big") * 500_000)
"""


@pytest.mark.chaos
def test_what_a_killed_writer_leaves_is_whole(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    for delay in (0.01, 0.03, 0.05, 0.07, 0.11, 0.13):
        command = [sys.executable, "-c", KILLED, str(store.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
    blobs = [path for path in store.folder.glob("??/*") if not path.name.startswith(".")]
    assert blobs
    for path in blobs:
        assert digest_of([memoryview(path.read_bytes())]) == path.name
    # What was cut off is cleared away once it is old
    store.collect(min_age=-1)
    assert not list(store.folder.glob("??/.*"))
    assert len(list(store.folder.glob("??/*"))) == len(blobs)


def age(store: BlobStore, digest: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(store.path(digest), (then, then))


def test_cleaning_up_keeps_what_is_needed_or_fresh(store: BlobStore) -> None:
    needed, unneeded, fresh = (store.put(of(100, seed)) for seed in range(3))
    age(store, needed, 7200)
    age(store, unneeded, 7200)
    done = store.collect(needed=[needed])
    assert (done.removed, done.removed_bytes, done.left, done.left_bytes) == (1, 100, 2, 200)
    assert needed in store
    assert fresh in store
    assert unneeded not in store


def test_using_a_blob_makes_it_fresh(store: BlobStore) -> None:
    read, written, idle = (store.put(of(100, seed)) for seed in range(3))
    for each in (read, written, idle):
        age(store, each, 7200)
    store.get(read)
    store.put(of(100, 1))
    store.collect(needed=[])
    assert read in store
    assert written in store
    assert idle not in store


def test_the_least_recently_used_go_first(store: BlobStore) -> None:
    blobs = [store.put(of(1000, seed)) for seed in range(5)]
    for number, each in enumerate(blobs):
        age(store, each, 7200 + (0 if number == 0 else 1000 * (5 - number)))
    done = store.collect(needed=blobs, max_bytes=2500)
    # The first is the one that was used last
    assert [each in store for each in blobs] == [True, False, False, False, True]
    assert done.left_bytes == 2000


def test_an_empty_store_has_nothing_to_clean(store: BlobStore) -> None:
    assert store.collect(needed=[]).left == 0
    assert "0" * 64 not in store
