"""Any text as one line that a terminal can show."""

from __future__ import annotations

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
