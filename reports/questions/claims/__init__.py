"""Published claims as data, each judged from the results at hand."""

from __future__ import annotations

from .verdict import judge_claims, unreadable_claims

__all__ = ["judge_claims", "unreadable_claims"]
