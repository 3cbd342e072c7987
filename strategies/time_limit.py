"""How long a plugin may take before it is called."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PLUGIN_SECONDS = 120.0
"""Seconds for a plugin's import, and for its constructor: more than a cold disk takes to import what it needs."""


@contextmanager
def time_limit(seconds: float | None = None) -> Iterator[None]:
    """Raise in what goes on inside after ``seconds``, :data:`PLUGIN_SECONDS` of them where none are given.

    It rests on a signal: nothing is limited outside a process's main thread, on systems without ``SIGALRM``, or in
    compiled code that never comes back to Python.

    Raises
    ------
    TimeoutError
        If the time is over. It is raised anew every second, for code that goes on whatever is raised.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    limit = PLUGIN_SECONDS if seconds is None else seconds

    def late(_: int, __: Any) -> None:
        raise TimeoutError(f"it was not done after {limit:g} seconds")

    before = signal.signal(signal.SIGALRM, late)
    outer = signal.setitimer(signal.ITIMER_REAL, limit, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *outer)
        signal.signal(signal.SIGALRM, before)
