"""Worker processes on this machine: each can be killed at any time, and only its own task is lost."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil
import torch

from ....strategies import UsageError
from ...plan.tasks import Task
from ...tasks.worker import Context
from . import server
from .queue import Outcome, Queue, report_end
from .worker_process import READY, serve

logger = logging.getLogger("selbench")

TICK = 0.5  # seconds between looks at the limits
GRACE = 10.0  # seconds that a worker has to exit after SIGTERM
SLOW = 10.0  # a task is warned of at this many times the longest so far, and so many minutes
KEPT = 1 << 18  # bytes kept of a task's output
LISTEN = 64  # reads of one worker's output at a time, so that endless output does not block the others


class Local:
    """Processes on this machine, each with its own worker; a process that dies loses only its task.

    The process of a failed task, or of a cell with a plugin's strategy, is not reused.

    Parameters
    ----------
    workers : int
        How many. Where several GPUs are to be used, workers take them in turn.
    cell_limit : float, optional
        Minutes after which a task is killed, and has failed. None by default, since no time fits every machine: a task
        that takes ten times as long as any before it is logged.
    memory_limit : float, optional
        GB of resident memory above which a worker is killed, and its task has failed.
    """

    def __init__(self, workers: int = 1, cell_limit: float | None = None, memory_limit: float | None = None) -> None:
        if workers < 1:
            raise UsageError(f"--workers {workers}: at least one is needed")
        for option, value in (("--cell-limit", cell_limit), ("--memory-limit", memory_limit)):
            if value is not None and not value > 0:
                raise UsageError(f"{option} {value:g}: it must be more than 0; leave it out for no limit")
        self.workers, self.cell_limit, self.memory_limit = workers, cell_limit, memory_limit

    def run(self, context: Context, tasks: Iterable[Task], report: Callable[[Task, Outcome], None]) -> None:
        queue = Queue(tasks)
        children: list[WorkerProcess] = []
        longest = 0.0
        try:
            while True:
                while sum(child.task is not None for child in children) < self.workers and (task := queue.take()):
                    idle = [child for child in children if not child.task and child.process.is_alive()]
                    if not idle:
                        gpu = least_used(context.device, [child.device for child in children])
                        children += (idle := [WorkerProcess(replace(context, device=gpu))])
                    idle[0].give(task)
                busy = [child for child in children if child.task]
                if not busy:
                    return
                wait([source for child in busy for source in child.sources()], timeout=TICK)
                for child in busy:
                    done, outcome = child.task, child.outcome() or self._over(child)
                    assert done is not None
                    if outcome is None:
                        child.warn_if_slow(longest)
                        continue
                    longest = max(longest, child.seconds())
                    outcome = child.finish(outcome)
                    if outcome.error or by_plugin(done):  # its state is not trusted
                        child.kill()
                        children.remove(child)
                    report_end(queue, done, outcome, report)
        finally:
            _end(children)

    def _over(self, child: WorkerProcess) -> Outcome | None:
        if self.cell_limit is not None and child.seconds() > 60 * self.cell_limit:
            return _broken("time", f"it did not end within {self.cell_limit:g} min (--cell-limit)")
        if self.memory_limit is not None and child.memory() > 1e9 * self.memory_limit:
            return _broken("memory", f"its process took more than {self.memory_limit:g} GB (--memory-limit)")
        return None


def least_used(device: str, taken: list[str]) -> str:
    """The device of one more worker: of all GPUs, if none was named, the first of those with the fewest workers."""
    if device != "cuda":
        return device
    return min((f"cuda:{i}" for i in range(torch.cuda.device_count())), key=taken.count)


def _broken(law: str, message: str) -> Outcome:
    return Outcome(f"law broken: {law}: {message}", law)


def by_plugin(task: Task) -> bool:
    """Whether the task runs a strategy of another distribution."""
    return task.arm is not None and task.arm.origin.split(" ")[0] != "selbench"


class WorkerProcess:
    def __init__(self, context: Context) -> None:
        start = server.context()
        self.logs, self.device = context.out / "logs", context.device
        self.task: Task | None = None
        self.log: TaskLog | None = None
        self._began: float | None = None
        self._warned = self._ready = False
        self._tasks, theirs = start.Pipe()
        self._output, printed = start.Pipe(duplex=False)
        parent, self._alive = start.Pipe(duplex=False)
        self.process = start.Process(target=serve, args=(context, dict(os.environ), theirs, printed, parent))
        self.process.start()
        for end in (theirs, printed, parent):
            end.close()

    def give(self, task: Task) -> None:
        self.task, self.log = task, TaskLog(self.logs / f"{task.id}.log")
        self._began, self._warned = (time.monotonic() if self._ready else None), False
        with suppress(OSError):  # it died while idle: seen at the next look
            self._tasks.send(task)

    def sources(self) -> list[Any]:
        printing = [] if self._output.closed else [self._output]
        return [self._tasks, self.process.sentinel, *printing]

    def seconds(self) -> float:
        """How long the task has run; 0 while the process is still starting."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def memory(self) -> int:
        """Resident bytes of the process and its children."""
        total = 0
        with suppress(psutil.Error):
            process = psutil.Process(self.process.pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    total += one.memory_info().rss
        return total

    def outcome(self) -> Outcome | None:
        dead = not self.process.is_alive()
        self._listen()
        while True:
            try:
                said = self._tasks.recv() if self._tasks.poll() else None
            except Exception:  # the end of the pipe, or something a plugin wrote into it
                return self._death()
            if isinstance(said, Outcome):
                return said
            if said != READY:
                return self._death() if dead else None
            self._ready, self._began = True, time.monotonic()

    def finish(self, outcome: Outcome) -> Outcome:
        """``outcome``; of a failed task with the file of its output."""
        assert self.log is not None
        self._listen()
        self.task = None
        if not self.log.close() or not outcome.error:
            return outcome
        return replace(outcome, error=f"{outcome.error} (output: logs/{self.log.path.name})")

    def warn_if_slow(self, longest: float) -> None:
        if self._warned or not longest or self.seconds() < SLOW * max(60.0, longest) or self.task is None:
            return
        self._warned = True
        logger.warning(
            "%s has run for %.0f min; no earlier task took more than %.1f min. "
            "If it hangs: stop, and run the same command with --cell-limit MINUTES",
            self.task.name,
            self.seconds() / 60,
            longest / 60,
        )

    def terminate(self) -> None:
        """Send SIGTERM: the process may still write a checkpoint."""
        assert self.process.pid is not None
        with suppress(OSError):
            os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        pid = self.process.pid
        assert pid is not None
        with suppress(OSError):  # it has no group of its own yet, or is gone
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        for end in (self._tasks, self._output, self._alive):
            end.close()

    def _death(self) -> Outcome:
        self.process.join(GRACE)
        code = self.process.exitcode
        self._listen()
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
            how += " (the system may be out of memory)" if code == -signal.SIGKILL else ""
        else:
            how = f"ended itself with exit code {code}"
        return _broken("runs", f"the worker process {how}")

    def _listen(self) -> None:
        for _ in range(LISTEN):
            if self._output.closed or not self._output.poll():
                return
            heard = os.read(self._output.fileno(), 1 << 16)
            if not heard:
                self._output.close()
            elif self.log is not None:
                self.log.write(heard)


class TaskLog:
    """A task's output, up to ``KEPT`` bytes; no file where there is none, and that of an earlier attempt goes."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, 0
        with suppress(OSError):
            path.unlink()

    def write(self, heard: bytes) -> None:
        kept = heard[: max(0, KEPT - self.size)]
        self.size += len(heard)
        if kept:
            self._append(kept)

    def close(self) -> bool:
        """Note how much was left out; returns whether there is a file."""
        if self.size > KEPT:
            self._append(f"\n[{self.size - KEPT} bytes more were printed, and left out]\n".encode())
        return self.path.exists()

    def _append(self, content: bytes) -> None:
        with suppress(OSError):  # no result depends on it
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(content)


def _end(children: list[WorkerProcess]) -> None:
    """Stop all processes: busy ones get SIGTERM and a grace period first."""
    try:
        busy = [child for child in children if child.task]
        for child in busy:
            child.terminate()
        deadline = time.monotonic() + GRACE
        # Not by join(): the fork server may have been stopped as well, and then no longer knows its children.
        while time.monotonic() < deadline and any(psutil.pid_exists(child.process.pid) for child in busy):
            time.sleep(0.05)
    finally:
        for child in children:
            child.kill()
