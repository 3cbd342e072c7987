"""A process that does one task, and ways to kill it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import torch

from selbench.harness.tasks.do import do
from selbench.harness.tasks.worker import Worker

SLOW_TO_IMPORT = ["selbench.harness.execution.executors.worker_process", "torch._dynamo", "sklearn.datasets"]
"""Imported once, for all processes."""


def carry_out(context, task):
    """Do ``task`` in this process."""
    torch.set_num_threads(1)
    do(Worker(context), task)


def carry_out_and_stop(context, task, writes):
    """The same, stopped for good in the middle of a file, after so many ``writes``."""
    write = Path.write_bytes

    def half(path, content):
        nonlocal writes
        writes -= 1
        if writes < 0:
            write(path, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGSTOP)
        return write(path, content)

    Path.write_bytes = half
    carry_out(context, task)


def started(target, *arguments):
    """A process that calls ``target``."""
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(SLOW_TO_IMPORT)
    process = start.Process(target=target, args=arguments)
    process.start()
    return process


def begun(context, task):
    """A process at ``task``."""
    return started(carry_out, context, task)


def timed(context, task):
    """Seconds that ``task`` takes in one piece, in a process of its own."""
    started(os.getpid).join()  # what is slow to import is not among them
    began = time.monotonic()
    process = begun(context, task)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def kill(process):
    """SIGKILL; False where the process had come to its end before."""
    if process.exitcode is None:
        send(process, signal.SIGKILL)
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def at_a_random_moment(context, task, draw: random.Random, seconds):
    """Kill at any moment of a run that takes about so many ``seconds`` in one piece."""
    process = begun(context, task)
    process.join(draw.uniform(0.0, seconds))
    return kill(process)


def inside_a_write(context, task, draw: random.Random, seconds):
    """Kill while a checkpoint is being written: the process stops there by itself, so that no kill comes too late."""
    process = started(carry_out_and_stop, context, task, draw.randrange(12))
    while process.exitcode is None and running(process):
        time.sleep(0.001)
    return kill(process)


def send(process, number):
    """Send a signal, to a process that may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def running(process):
    """Whether the process has not been stopped yet."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "TZX"


def unfinished(folder):
    """Files in ``folder`` that were not written to their end."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(".")]
    except FileNotFoundError:
        return []
