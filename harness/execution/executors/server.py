"""The server that worker processes are forked from."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from typing import Any

PRELOADED = [f"selbench.harness.execution.executors.{name}" for name in ("worker_process", "code_read")]


def context() -> Any:
    """Of multiprocessing: forks of a server that has imported everything and computed nothing.

    Such a fork starts at once, holds no lock of a thread, and can use CUDA.
    """
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made


def start() -> None:
    """Start the server now, to import while the caller does other things."""
    context()
    forkserver.ensure_running()
