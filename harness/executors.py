"""Where tasks are done: processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol

from ..strategies import UsageError
from .guard import StrategyFault
from .plan import Task
from .work import do
from .worker import Context, Worker


@dataclass(frozen=True)
class Outcome:
    """How a task ended: no ``error``, or one line of it with the law broken (if any) and the traceback."""

    error: str = ""
    law: str | None = None
    traceback: str = ""


class Executor(Protocol):
    """Carries out a graph of tasks."""

    def run(self, context: Context, tasks: list[Task], report: Callable[[Task, Outcome], None]) -> None:
        """Do every task after those it depends on; ``report`` hears of each as it ends.

        A failed task fails what depends on it, and nothing else.
        """
        ...


_worker: Worker | None = None


def _start(context: Context) -> None:
    global _worker  # one worker in each process, so that data sets are loaded once
    os.environ["OMP_NUM_THREADS"] = str(context.threads)
    # Ctrl-C reaches the whole process group; the parent decides what becomes of a worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    _worker = Worker(context)


def _leave_with(parent: int) -> None:
    """End this process once its parent is gone, however that came about: no orphan trains on."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _do(task: Task) -> Outcome:
    assert _worker is not None
    return attempt(_worker, task)


def attempt(worker: Worker, task: Task) -> Outcome:
    """Do ``task``; whatever it raises becomes an outcome."""
    return outcome_of(lambda: do(worker, task))


def outcome_of(work: Callable[[], None]) -> Outcome:
    """How ``work`` ended, whatever it raised."""
    try:
        work()
    except (Exception, SystemExit) as error:  # a plugin may raise anything; its cell fails, the others go on
        law = error.law if isinstance(error, StrategyFault) else None
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(line, law, traceback.format_exc())
    return Outcome()


class Inline:
    """This process, one task after another: for a debugger, a notebook, or a test. A rule that hangs, hangs it.

    Parameters
    ----------
    workers : int
        As for :class:`Local`; there is one, whatever is asked for.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = 1

    def run(self, context: Context, tasks: list[Task], report: Callable[[Task, Outcome], None]) -> None:
        """As :meth:`Executor.run`."""
        queue, worker = Queue(tasks), Worker(context)
        while (task := queue.take()) is not None:
            _report(queue, task, attempt(worker, task), report)


class Local:
    """Processes on this machine, each with its own worker; a process that dies takes only its task along.

    Parameters
    ----------
    workers : int
        How many; on a GPU one is usual.
    """

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise UsageError(f"--workers {workers}: at least one is needed")
        self.workers = workers

    def run(self, context: Context, tasks: list[Task], report: Callable[[Task, Outcome], None]) -> None:
        """As :meth:`Executor.run`."""
        queue = Queue(tasks)
        slots: list[ProcessPoolExecutor | None] = [None] * min(self.workers, max(1, len(tasks)))
        running: dict[Future[Outcome], tuple[int, Task]] = {}
        try:
            while True:
                for slot in set(range(len(slots))) - {slot for slot, _ in running.values()}:
                    task = queue.take()
                    if task is None:
                        break
                    process = slots[slot] or _process(context)
                    slots[slot] = process
                    running[process.submit(_do, task)] = (slot, task)
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    slot, task = running.pop(future)
                    outcome = _outcome(future)
                    if outcome.error:  # a fresh process for the next task: who knows what this one left behind
                        _stop(slots[slot])
                        slots[slot] = None
                    _report(queue, task, outcome, report)
        finally:
            for slot_process in slots:
                _stop(slot_process)


def _report(queue: Queue, task: Task, outcome: Outcome, report: Callable[[Task, Outcome], None]) -> None:
    """Say how ``task`` ended, and what it takes along where it failed."""
    report(task, outcome)
    for lost in queue.done(task, failed=bool(outcome.error)):
        report(lost, Outcome(f"not run: it needs {task.name}, which failed: {outcome.error}"))


def _stop(process: ProcessPoolExecutor | None) -> None:
    """End a worker process now; what it was at is not finished, and is done again by the next run."""
    if process is not None:
        children = list((process._processes or {}).values())  # kill_workers() does this from Python 3.14 on
        process.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.kill()


def _process(context: Context) -> ProcessPoolExecutor:
    # Spawned, not forked: a forked child inherits threads' locks and cannot use CUDA.
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=spawn, initializer=_start, initargs=(context,))


def _outcome(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Outcome("the worker process died (out of memory, or killed by what it ran)")


class Queue:
    """Tasks in order, each held back until what it depends on is done."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.waiting = {task.id: task for task in tasks}
        self.open = set(self.waiting)

    def take(self) -> Task | None:
        """The first task that can start now, or None."""
        for id, task in self.waiting.items():
            if not self.open.intersection(task.after):
                return self.waiting.pop(id)
        return None

    def done(self, task: Task, *, failed: bool) -> list[Task]:
        """Note the end of a task; where it failed, the waiting tasks that it takes along."""
        if not failed:
            self.open.discard(task.id)
            return []
        lost: list[Task] = []
        gone = {task.id}
        for id, other in list(self.waiting.items()):  # tasks stand in an order in which they can be run
            if gone.intersection(other.after):
                gone.add(id)
                lost.append(self.waiting.pop(id))
        return lost
