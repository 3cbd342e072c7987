"""The one exception that a user sees as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """The request is wrong: the message says in one line what, and how to mend it (exit code 2)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest known name, else the list of what there is."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(known)}" if known else "; there is none"


def one_of(parameter: str, value: str, known: Iterable[str]) -> None:
    """Refuse a ``value`` that is not one of ``known`` by a :class:`UsageError` with the nearest one."""
    known = sorted(known)
    if value not in known:
        raise UsageError(f"{parameter} cannot be {value!r}{did_you_mean(str(value), known)}")


class StrategyFault(RuntimeError):
    """A strategy broke a law of the interface; ``law`` names it."""

    def __init__(self, law: str, message: str) -> None:
        super().__init__(f"law broken: {law}: {message}")
        self.law = law


LONGEST = 900
"""Characters: what is longer loses its middle, since the start names the file and the end says how to mend it."""


def one_line(text: str) -> str:
    """``text`` without line breaks; what a terminal might act on, or not show, is written as its escape.

    Control characters, marks that turn the writing direction and lone surrogates become ``\\x1b``, ``\\u202e``,
    ``\\udc80``: file names and matrices of strangers may hold them.
    """
    words = " ".join(text.split())
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
    if len(shown) <= LONGEST:
        return shown
    return f"{shown[: LONGEST // 2]} … {shown[-LONGEST // 2 :]}"
