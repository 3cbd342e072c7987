"""Two runs on one folder: each says what it is at, so that the other takes something else."""

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
"""Seconds between two signs of life of a run."""

STALE = 60.0
"""Seconds without a sign of life after which a run on another machine is taken for dead."""

LOOK = 0.5
"""Seconds between looks at what another run holds."""


@cache
def here() -> str:
    """This machine since it was started, and the process numbers that are seen from here."""
    named = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            named.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text().strip())
    return " ".join(named)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of what is read from ``folder`` and then written there.

    Where the file system has no locks this is said, and nobody is kept out.
    """
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
    """The claims of one run: a file for each task that it is at, made by it alone.

    A claim holds the machine, the process and when that began; a thread renews the file's time every few seconds.
    A claim of a process of this machine that is gone is taken over at once; one of another machine after
    ``stale`` seconds without renewal, by this machine's clock.

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
        """Claim ``id``; False where another run that lives has done so.

        Where the folder takes no claim (a full disk) this is said, and ``id`` counts as ours: another run may do the
        same work, and nothing worse.
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
        """Give ``id`` back; a claim that another run has taken over stays."""
        self._mine.discard(id)
        if (self._read(id) or {}).get("token") == self.token:
            with suppress(OSError):
                self._path(id).unlink()

    def held(self, id: str) -> bool:
        """Whether another run that lives is at ``id``."""
        return id not in self._mine and self._lives(id)

    @contextmanager
    def alone(self, id: str, waiting: Callable[[], object]) -> Iterator[None]:
        """Hold ``id``, once no other run does; ``waiting`` is called where that takes time."""
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
        """Whether there is a claim on ``id`` whose run lives."""
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
    """Whether the process that began then still runs; numbers are given again to later ones."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - began) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (psutil.Error, TypeError, ValueError):
        return False
