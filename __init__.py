"""selbench: does training on fewer, better-chosen examples pay?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .harness.library.running import run
    from .harness.library.selector import Picks, Selector
    from .harness.library.trace import Trace
    from .reports.frames import Frames, read
    from .strategies import BatchLosses, Selection, UsageError, load

__version__ = "0.2.0"

_HOME = {
    **dict.fromkeys(("BatchLosses", "Selection", "UsageError", "load"), ".strategies"),
    **dict.fromkeys(("Picks", "Selector"), ".harness.library.selector"),
    **dict.fromkeys(("Frames", "read"), ".reports.frames"),
    "Trace": ".harness.library.trace",
    "run": ".harness.library.running",
}
"""Where each name of the library is: imported when it is used, since most of them need torch or pandas."""

__all__ = [
    "BatchLosses",
    "Frames",
    "Picks",
    "Selection",
    "Selector",
    "Trace",
    "UsageError",
    "load",
    "read",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
