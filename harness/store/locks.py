"""Locks and claims: several runs share one results folder, and no task is done twice at the same time."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from .. import environment

logger = logging.getLogger("selbench")

BEAT = 5.0
"""Seconds between two heartbeats of a run."""

STALE = 60.0
"""Seconds without a heartbeat after which a run on another machine counts as dead."""

LOOK = 0.5
"""Seconds between two polls of a claim that another run holds."""


@cache
def here() -> str:
    """Identity of this machine, its boot and its namespace of process ids."""
    named = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            named.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text().strip())
    return " ".join(named)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``folder``; where the file system has no locks, warn and go on without one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            logger.warning("%s has no locks (%s): start no two runs on it at the same moment", folder, error.strerror)
        yield
    finally:
        os.close(handle)  # and the lock goes


class Claims:
    """The claims of one run: one file for each task that it works on.

    A claim names the machine, the process and its start time; a thread renews the file's time every few seconds.
    The claim of a dead process of this machine is taken over at once, that of another machine after ``stale``
    seconds without renewal, by this machine's clock.

    Parameters
    ----------
    root : Path
        The results folder.
    stale, beat : float
        Seconds.
    """

    def __init__(self, root: Path, stale: float = STALE, beat: float = BEAT) -> None:
        self.folder = root / "claims"
        self.stale, self.beat = stale, beat
        self.token = uuid.uuid4().hex
        self._mine: set[str] = set()
        self._seen: dict[str, tuple[int, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        for id in list(self._mine):
            self.release(id)
        with suppress(OSError):  # another run's claims, or a folder that cannot be written
            self.folder.rmdir()

    def take(self, id: str) -> bool:
        """Claim ``id``; False where another live run holds it.

        Where no claim can be written (a full disk), warn and count ``id`` as ours: at worst, another run does the
        same work.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._create(id):
                return True
            with locked(self.folder):  # two that take over the same claim: one after the other
                if self._lives(id):
                    return False
                self._path(id).unlink(missing_ok=True)
                return self._create(id)
        except FileNotFoundError:  # the other run has just ended, and its folder went
            return self.take(id)
        except OSError as error:
            logger.warning("no claim can be written (%s): another run on this folder may do the same", error.strerror)
            return True

    def release(self, id: str) -> None:
        """Release ``id``; a claim that another run has taken over stays."""
        self._mine.discard(id)
        if (self._read(id) or {}).get("token") == self.token:
            with suppress(OSError):
                self._path(id).unlink()

    def held(self, id: str) -> bool:
        """Whether another live run holds ``id``."""
        return id not in self._mine and self._lives(id)

    @contextmanager
    def alone(self, id: str, waiting: Callable[[], object]) -> Iterator[None]:
        """Wait for ``id`` and hold it; ``waiting`` is called once where another run holds it."""
        if not self.take(id):
            waiting()
            while not self.take(id):
                time.sleep(LOOK)
        try:
            yield
        finally:
            self.release(id)

    def _path(self, id: str) -> Path:
        return self.folder / f"{id}.json"

    def _create(self, id: str) -> bool:
        try:
            handle = os.open(self._path(id), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            began = psutil.Process().create_time()
            said = {"host": here(), "pid": os.getpid(), "began": began, "token": self.token, "when": environment.now()}
            json.dump(said, file)
        self._mine.add(id)
        return True

    def _read(self, id: str) -> dict[str, Any] | None:
        try:
            said = json.loads(self._path(id).read_text())
        except (OSError, ValueError):
            return None
        return said if isinstance(said, dict) else None

    def _lives(self, id: str) -> bool:
        """Whether a live run has a claim on ``id``."""
        try:
            renewed = self._path(id).stat().st_mtime_ns
        except FileNotFoundError:
            return False
        said = self._read(id)
        if said is not None and said.get("host") == here():
            return _running(said.get("pid"), said.get("began"))
        # Another machine's clock may differ: what counts is how long nothing changed while we looked.
        before, since = self._seen.get(id, (0, 0.0))
        if renewed != before:
            self._seen[id] = (renewed, time.monotonic())
            return True
        return time.monotonic() - since < self.stale

    def _renew(self) -> None:
        while not self._stop.wait(self.beat):
            for id in list(self._mine):
                with suppress(OSError):
                    os.utime(self._path(id))


def _running(pid: Any, began: Any) -> bool:
    """Whether the process still runs; its start time tells it from a later one with the same number."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - began) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (psutil.Error, TypeError, ValueError):
        return False
