"""Whether a results folder is what the runs wrote, and whether it holds together: ``selbench verify``."""

from __future__ import annotations

from .folder import verify

__all__ = ["verify"]
