"""How a task ended: one line that says what to do."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ....strategies.errors import StrategyFault

WRITE_ERRORS = {
    errno.ENOSPC: "the disk is full: make room, and run the same command again",
    errno.EDQUOT: "the disk quota is used up: make room, and run the same command again",
    errno.EROFS: "the folder is read-only: make it writable, and run the same command again",
}


@dataclass(frozen=True)
class Outcome:
    """How a task ended: no ``error``, or one line of it with the law broken (if any) and the traceback."""

    error: str = ""
    law: str | None = None
    traceback: str = ""


def outcome_of(work: Callable[[], None]) -> Outcome:
    """How ``work`` ended, whatever it raised."""
    try:
        work()
    except (Exception, SystemExit) as error:  # a plugin may raise anything: only its cell fails
        law = error.law if isinstance(error, StrategyFault) else None
        return Outcome(error_line(error), law, traceback.format_exc())
    return Outcome()


def error_line(error: BaseException) -> str:
    """``error`` as one line; out of memory or disk, it says what to change."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, torch.OutOfMemoryError):
        return f"out of GPU memory: lower --workers, the matrix's batch, or the learner's width ({line})"
    if isinstance(error, MemoryError):
        return f"out of memory: lower --workers or the matrix's batch ({line})"
    if isinstance(error, OSError) and error.errno in WRITE_ERRORS:
        return f"nothing was written: {WRITE_ERRORS[error.errno]}"
    return line
