"""Untrusted text on a terminal: no markup, no control characters, nothing that its encoding cannot show."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ..document.numbers import MINUS, NARROW, NONE
from ..document.text import clean

_PLAIN = {
    MINUS: "-",
    NONE: "-",
    NARROW: " ",
    "\u00b1": "+/-",
    "\u2026": "...",
    "\u00d7": "x",
    "\u2248": "about",
    "µ": "u",
}


def say(console: Console, line: str, *, style: str = "", wrap: bool = True) -> None:
    """Print one line of ``line``, wrapped at the console's width unless it is a path."""
    console.print(shown(console, line, style), soft_wrap=not wrap, highlight=False)


def shown(console: Console, line: str, style: str = "") -> Text:
    """Text that the console's encoding can show: signs have plain twins, what is left becomes a question mark."""
    text = clean(line)
    if not console.encoding.lower().startswith("utf"):
        for sign, twin in _PLAIN.items():
            text = text.replace(sign, twin)
        text = text.encode(console.encoding, "replace").decode(console.encoding)
    return Text(text, style=style)
