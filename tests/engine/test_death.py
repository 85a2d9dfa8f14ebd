"""Why a process died, as far as the system tells."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from jupyter_mlops.engine import death


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of which the test says how many processes it has killed for lack of memory."""
    (tmp_path / "job").mkdir()
    (tmp_path / "self").write_text("0::/job\n")
    monkeypatch.setattr(death, "_OWN_CGROUP", tmp_path / "self")
    monkeypatch.setattr(death, "_CGROUP", tmp_path)
    monkeypatch.setattr(death, "_VMSTAT", tmp_path / "vmstat")
    count(tmp_path, cgroup=2, machine=7)
    return tmp_path


def count(system: Path, *, cgroup: int, machine: int) -> None:
    (system / "job" / "memory.events").write_text(f"low 0\noom 9\noom_kill {cgroup}\noom_group_kill 5\n")
    (system / "vmstat").write_text(f"nr_free_pages 5\noom_kill {machine}\n")


@pytest.mark.parametrize(
    ("cgroup", "machine", "said"),
    [
        (3, 8, "The system killed it for lack of memory (out of memory)."),
        (2, 8, "It was killed, probably by the system for lack of memory: something was at that time."),
        (2, 7, "It was killed (SIGKILL) by a person or a program."),
    ],
)
def test_lack_of_memory_is_told_from_other_kills(system: Path, cgroup: int, machine: int, said: str) -> None:
    before = death.oom_counts()
    count(system, cgroup=cgroup, machine=machine)

    assert before == {"cgroup": 2, "machine": 7}
    assert death.why(-signal.SIGKILL, before) == said


def test_a_crash_is_not_taken_for_lack_of_memory(system: Path) -> None:
    before = death.oom_counts()
    count(system, cgroup=3, machine=8)

    assert "SIGSEGV" in death.why(-signal.SIGSEGV, before)
    assert death.why(3, before) == "It ended by itself with exit code 3."
    assert death.why(-signal.SIGUSR2, before) == "It was ended by the signal SIGUSR2."
    assert "-" not in death.why(-200, before).replace("exit", "")


def test_a_system_that_tells_nothing(system: Path) -> None:
    for file in ("self", "vmstat"):
        (system / file).unlink()

    assert death.oom_counts() == {}
    assert death.why(None, {}) == "It was killed, or the machine was restarted."


def test_an_older_cgroup_is_read_too(system: Path) -> None:
    (system / "self").write_text("5:cpu,memory:/job\n")
    (system / "memory" / "job").mkdir(parents=True)
    (system / "memory" / "job" / "memory.oom_control").write_text("under_oom 0\noom_kill 4\n")

    assert death.oom_counts() == {"cgroup": 4, "machine": 7}
