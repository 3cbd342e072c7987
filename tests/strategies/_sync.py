"""What finds waiting, by the names that the tests use."""

from __future__ import annotations

from selbench.strategies.testing.waiting import NoWaiting, Waits, run_fake

__all__ = ["NoWaiting", "Waits", "run_fake"]
