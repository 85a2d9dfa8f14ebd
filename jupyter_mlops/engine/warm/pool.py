"""The worker's templates: which there are, which fits a notebook, and when one has been idle for long enough.

A notebook process asks over a socket whose place stands in ``.mlops/warm.json``. It never waits for a template: while
the one that fits its notebook is being made, it gets a kernel from one that has a part of the imports loaded, or none
and starts a fresh kernel. A template has nothing loaded that the notebook does not import and ``[engine]
warm_imports`` does not name, so a kernel sees no module that it would not have seen.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..attempt import write_whole
from . import framing
from .imports import environment_key, is_per_step

log = logging.getLogger(__name__)

#: Seconds that a template may take to load.
_LOAD_TIMEOUT = 180.0
#: A template whose imports fail in one way after the other is given up after so many tries.
_MAX_TRIES = 12
#: Whoever asks sends its request at once.
_REQUEST_TIMEOUT = 5.0
#: With fewer cores templates load when no step runs, and has not for so long, seconds: else they would slow it down.
_ENOUGH_CORES = 4
_QUIET = 2.0

_PREFIX = "mlops-warm-"

Key = tuple[tuple[str, ...], str]


@dataclass
class _Template:
    key: Key
    imports: frozenset[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    address: Path | None = None
    #: What it has loaded, known when it is ready.
    loaded: frozenset[str] = frozenset()
    used_at: float = field(default_factory=time.monotonic)

    @property
    def ready(self) -> bool:
        return self.address is not None and self.process is not None and self.process.poll() is None

    def let_go(self) -> None:
        """It forks no more, and ends when its kernels have."""
        self.address = None
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


class Pool:
    """Templates of one worker. Threads: one that answers, and one for each template that is being made."""

    def __init__(
        self,
        state: Path,
        *,
        imports: Sequence[str],
        templates: int,
        idle_minutes: float,
        log_file: Path,
        busy: Callable[[], bool] = lambda: False,
    ):
        self._file = state / "warm.json"
        self._always = tuple(imports)
        self._most = templates
        self._idle = idle_minutes * 60
        self._log_file = log_file
        self._lock = threading.Lock()
        self._templates: list[_Template] = []
        #: Modules that templates do without; and what these load besides themselves, which can be had warm.
        self._left_out: dict[Key, dict[str, list[str]]] = {}
        self._refused: dict[Key, str] = {}
        self._folder: Path | None = None
        self._listener: socket.socket | None = None
        self._number = 0
        #: Whether steps run.
        self._busy = busy if _cores() < _ENOUGH_CORES else lambda: False
        self._making = threading.Lock()
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to answer. Raises ``OSError`` where no socket can be made."""
        self._clear_up()
        # Not in the workspace: the path of a socket may have a hundred characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        (self._folder / "empty").mkdir()
        self._listener = socket.socket(socket.AF_UNIX)
        address = self._folder / "pool"
        self._listener.bind(str(address))
        self._listener.listen(16)
        threading.Thread(target=self._answer, args=(self._listener,), name="warm-kernels", daemon=True).start()
        write_whole(self._file, json.dumps({"socket": str(address)}))

    def close(self) -> None:
        """Let go of all templates. Those with kernels live on as long as these do."""
        with contextlib.suppress(OSError):
            self._file.unlink()
        self._closed.set()
        if self._listener is not None:
            self._listener.close()
        with self._lock:
            templates, self._templates = self._templates, []
        for each in templates:
            each.let_go()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def tidy(self) -> None:
        """Let go of what nobody has asked for in a while, and of what has ended. Cheap: call it now and then."""
        now = time.monotonic()
        with self._lock:
            for each in list(self._templates):
                ended = each.process is not None and each.process.poll() is not None
                if ended or (each.ready and now - each.used_at > self._idle):
                    self._templates.remove(each)
                    each.let_go()
                    log.info(
                        "Template %s %s.", _names(each.imports), "has ended" if ended else "was idle and is let go"
                    )

    def templates(self) -> list[dict[str, Any]]:
        """Return what there is, for those who look: imports, pid, whether it is ready."""
        with self._lock:
            return [
                {
                    "imports": sorted(each.imports),
                    "loaded": sorted(each.loaded),
                    "pid": each.process.pid if each.process else None,
                    "ready": each.ready,
                }
                for each in self._templates
            ]

    def _clear_up(self) -> None:
        """Remove the folder of a worker that was killed. (Whoever uses a template there is connected already.)"""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            folder = Path(json.loads(self._file.read_text())["socket"]).parent
            if folder.name.startswith(_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)

    # -- answering -----------------------------------------------------------------------------------------------

    def _answer(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return  # closed
            with connection:
                connection.settimeout(_REQUEST_TIMEOUT)
                try:
                    request, _files = framing.receive(connection)
                    framing.send(connection, self.find(request["python"], request["environment"], request["imports"]))
                except (OSError, ValueError, EOFError, KeyError) as error:
                    log.warning("A request for a warm kernel failed: %s: %s", type(error).__name__, error)

    def find(self, python: Sequence[str], environment: Mapping[str, str], imports: Sequence[str]) -> dict[str, Any]:
        """Return ``{"template": address}`` or ``{"fresh": reason}``, and see that next time there is what fits."""
        key = (tuple(python), environment_key(environment))
        wanted = dict.fromkeys((*self._always, *imports))
        with self._lock:
            if key in self._refused:
                return {"fresh": self._refused[key]}
            exact = frozenset(wanted)
            fitting = [each for each in self._templates if each.key == key and each.ready and each.imports <= exact]
            best = max(fitting, key=lambda each: len(each.loaded), default=None)
            if not any(each.key == key and each.imports == exact for each in self._templates):
                self._make(key, list(wanted), environment)
            if best is None:
                return {"fresh": "a template with these imports is being made"}
            best.used_at = time.monotonic()
            return {"template": str(best.address), "loaded": sorted(best.loaded)}

    # -- making --------------------------------------------------------------------------------------------------

    def _make(self, key: Key, imports: list[str], environment: Mapping[str, str]) -> None:
        """With the lock held: begin a template, in the place of the one that was used longest ago."""
        if self._most < 1:
            return
        while len(self._templates) >= self._most:
            oldest = min((each for each in self._templates if each.ready), key=lambda each: each.used_at, default=None)
            if oldest is None:
                return  # all are being made: later
            self._templates.remove(oldest)
            oldest.let_go()
        kept = {name: value for name, value in environment.items() if not is_per_step(name)}
        made = _Template(key, frozenset(imports), kept)
        self._templates.append(made)
        threading.Thread(target=self._load, args=(made, imports), name="warm-template", daemon=True).start()

    def _load(self, template: _Template, imports: list[str]) -> None:
        """Start the process until all that it was asked for is loaded or known not to be kept."""
        with self._making:  # one after the other
            while self._busy():
                if self._closed.wait(_QUIET):
                    return
            self._load_now(template, imports)

    def _load_now(self, template: _Template, imports: list[str]) -> None:
        try:
            for _try in range(_MAX_TRIES):
                answer = self._start(template, self._keepable(template.key, imports))
                if "ready" in answer:
                    self._begin(template, answer)
                    return
                self._leave_out(template.key, answer["unkeepable"], answer["reason"], answer.get("others", []))
                if answer["unkeepable"] in ("ipykernel", ""):
                    break
            reason = answer["reason"]
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:300]
        log.warning("No template can be made, kernels start afresh: %s", reason)
        with self._lock:
            self._refused[template.key] = reason
            if template in self._templates:
                self._templates.remove(template)
        template.let_go()

    def _keepable(self, key: Key, imports: list[str]) -> list[str]:
        """Return what to load: for a module that is left out, what it would load that can be kept."""
        with self._lock:
            left_out = self._left_out.get(key, {})
            found: dict[str, None] = {}
            for name in imports:
                for each in left_out.get(name, [name]):
                    if each not in left_out and each.partition(".")[0] not in left_out:
                        found[each] = None
        return list(found)

    def _leave_out(self, key: Key, name: str, reason: str, others: list[str]) -> None:
        with self._lock:
            left_out = self._left_out.setdefault(key, {})
            if name not in left_out:
                log.info("Templates leave out %s: %s.", name, reason)
            left_out[name] = others

    def _begin(self, template: _Template, answer: dict[str, Any]) -> None:
        for name, reason in answer["left_out"].items():
            self._leave_out(template.key, name, reason, [])
        with self._lock:
            gone = template not in self._templates
            template.loaded = frozenset(answer["ready"]) & template.imports
            template.address = Path(answer["address"])
            template.used_at = time.monotonic()
        if gone:
            template.let_go()
        else:
            log.info("A template is ready: %s (process %d).", _names(template.loaded), template.process.pid)  # type: ignore[union-attr]

    def _start(self, template: _Template, imports: list[str]) -> dict[str, Any]:
        assert self._folder is not None  # noqa: S101
        with self._lock:
            self._number += 1
            address = self._folder / str(self._number)
        spec = {"imports": imports, "socket": str(address)}
        with self._log_file.open("ab") as output:
            process = subprocess.Popen(
                [*template.key[0], "-m", "jupyter_mlops.engine.warm.template"],
                cwd=self._folder / "empty",
                env=template.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        template.process = process
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        late = threading.Timer(_LOAD_TIMEOUT, process.kill)
        late.start()
        try:
            process.stdin.write(json.dumps(spec).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        finally:
            late.cancel()
            process.stdout.close()
        if not line:
            process.stdin.close()
            return {"unkeepable": "", "reason": f"its process ended with exit code {process.wait()}, see the log"}
        answer: dict[str, Any] = json.loads(line)
        if "ready" in answer:
            return {**answer, "address": str(address)}
        process.stdin.close()
        process.wait()
        return answer


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _names(imports: frozenset[str]) -> str:
    return ", ".join(sorted(imports)) or "no imports"


def ask(state: Path, python: Sequence[str], environment: Mapping[str, str], imports: Sequence[str]) -> dict[str, Any]:
    """Ask the pool of a workspace's worker (see :meth:`Pool.find`). ``{"fresh": reason}`` where none answers."""
    try:
        place = (state / "warm.json").read_text()
    except OSError:
        return {"fresh": "no worker runs"}
    try:
        address = json.loads(place)["socket"]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_REQUEST_TIMEOUT)
            connection.connect(address)
            framing.send(
                connection, {"python": list(python), "environment": dict(environment), "imports": list(imports)}
            )
            answer, _files = framing.receive(connection)
            return answer
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        return {"fresh": f"the worker does not answer ({type(error).__name__}: {error})"}
