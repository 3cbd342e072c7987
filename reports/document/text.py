"""Text from outside made safe to show, and shortened."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_UNSAFE = {"Cc", "Cs", "Cn", "Co"}
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: object) -> str:
    """Untrusted text made fit for XML, a terminal and one line of a table.

    Control characters (escape sequences among them), lone surrogates, unassigned and private code points and marks that
    turn the writing direction each become U+FFFD; line breaks and tabs become a space.
    """
    text = str(text)
    if text.isprintable():  # nearly all: a page asks for tens of thousands
        return text
    spaced = re.sub(r"[\t\n\r]", " ", text)
    bad = (unicodedata.category(char) in _UNSAFE or char in _BIDI for char in spaced)
    return "".join("\ufffd" if unsafe else char for char, unsafe in zip(spaced, bad, strict=True))


def short(text: object, limit: int = 26) -> str:
    """``text`` cleaned and cut to ``limit`` characters, with an ellipsis where something was cut."""
    whole = clean(text)
    return whole if len(whole) <= limit else whole[: limit - 1].rstrip() + "\u2026"


def names(labels: Sequence[str], limit: int = 3) -> str:
    shown = [clean(label) for label in labels[:limit]]
    return ", ".join(shown) + (f" and {len(labels) - limit} more" if len(labels) > limit else "")
