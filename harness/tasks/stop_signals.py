"""Being told to stop: noted at once, obeyed where it does no harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Holds a first SIGTERM or SIGINT back; a second one counts at once. What is ignored stays ignored.

    Attributes
    ----------
    number : int or None
        The signal that came.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hold signals back inside; one that came is obeyed at the end. Only a main thread can."""
        if threading.current_thread() is threading.main_thread():
            ours = {number: signal.getsignal(number) for number in SIGNALS}
            self._before = {number: was for number, was in ours.items() if was not in (signal.SIG_IGN, None)}
        for number in self._before:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            self.obey()

    def obey(self) -> None:
        """Do what the signal would have done, had it not been held back; nothing where none came."""
        for number, was in self._before.items():
            signal.signal(number, was)
        self._before = {}
        came, self.number = self.number, None
        if came is not None:
            signal.raise_signal(came)

    def _note(self, number: int, _: Any) -> None:
        again, self.number = self.number is not None, number
        if again:
            self.obey()
