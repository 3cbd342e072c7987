"""Text from outside made safe to show, and shortened."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_UNSAFE = {"Cc", "Cs", "Cn", "Co"}

_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: object) -> str:
    """Untrusted text made fit for XML, a terminal and one line of a table.

    Control characters (escape sequences among them), lone surrogates, unassigned and private code points and marks that
    turn the writing direction each become U+FFFD; line breaks and tabs become a space.
    """
    kept = []
    for char in str(text):
        if char in "\t\n\r":
            kept.append(" ")
        elif unicodedata.category(char) in _UNSAFE or char in _BIDI:
            kept.append("\ufffd")
        else:
            kept.append(char)
    return "".join(kept)


def short(text: object, limit: int = 26) -> str:
    """``text`` cleaned and cut to ``limit`` characters, with an ellipsis where something was cut."""
    whole = clean(text)
    return whole if len(whole) <= limit else whole[: limit - 1].rstrip() + "\u2026"


def names(labels: Sequence[str], limit: int = 3) -> str:
    """``gstds, rho, jest and 4 more``."""
    shown = [clean(label) for label in labels[:limit]]
    rest = len(labels) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
