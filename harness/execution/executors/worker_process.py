"""What runs in a worker process."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

from ...plan.tasks import Task
from ...tasks.do import do
from ...tasks.worker import Context, Worker
from .outcome import Outcome, outcome_of

READY = "ready"
"""Said once by a worker, before its first task."""


def attempt(worker: Worker, task: Task) -> Outcome:
    """Run ``task``; whatever it raises becomes an outcome."""
    return outcome_of(lambda: do(worker, task))


def serve(context: Context, environ: dict[str, str], tasks: Connection, output: Connection, parent: Connection) -> None:
    """Run the tasks that arrive through ``tasks``, until it is closed.

    Parameters
    ----------
    context : Context
        What the tasks share.
    environ : dict
        The environment of the run.
    tasks : Connection
        Tasks come, outcomes go.
    output : Connection
        Where what is printed goes.
    parent : Connection
        Ends with the run, however that came about.
    """
    os.setsid()  # its own group: the parent handles Ctrl-C, and a plugin's child processes are killed with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    faulthandler.enable()
    os.environ.clear()
    os.environ.update(environ | {"OMP_NUM_THREADS": str(context.threads)})
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    worker = Worker(context)  # one in each process, so that data sets are loaded once
    tasks.send(READY)
    with contextlib.suppress(EOFError):
        while True:
            outcome = attempt(worker, tasks.recv())
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):  # a plugin may have put anything there
                    stream.flush()
            tasks.send(outcome)


def _leave_with(parent: Connection) -> None:
    """Kill this process group once the run is gone, so that no orphan keeps training."""
    with contextlib.suppress(EOFError, OSError):
        parent.recv_bytes()
    os.killpg(0, signal.SIGKILL)
