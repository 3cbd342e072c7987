"""The signals that ask a run to stop, deferred until it can do so safely."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""A scheduler or a service manager, Ctrl-C, a lost terminal, SLURM's warning before the time is over."""


class StopSignals:
    """Defers the first of :data:`SIGNALS`; a second one acts at once. Ignored signals stay ignored.

    Not so in a worker, which ignores Ctrl-C: a scheduler may signal every process of a job, and then the run does too.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Defer signals inside; one that came is raised at the end. Works in the main thread only."""
        if threading.current_thread() is threading.main_thread():
            ours = {number: signal.getsignal(number) for number in SIGNALS}
            self._before = {number: was for number, was in ours.items() if was not in (signal.SIG_IGN, None)}
        for number in self._before:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            self.raise_deferred()

    def raise_deferred(self) -> None:
        """Restore the handlers and raise the deferred signal, if one came."""
        for number, was in self._before.items():
            signal.signal(number, was)
        self._before = {}
        came, self.number = self.number, None
        if came is not None:
            signal.raise_signal(came)

    def _note(self, number: int, _: Any) -> None:
        again, self.number = self.number is not None and signal.SIGINT in self._before, number
        if again:
            self.raise_deferred()
