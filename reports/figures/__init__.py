"""Figures; matplotlib is first imported here, whatever backend ``$MPLBACKEND`` names.

A notebook's kernel sets it, also for commands in environments without that backend. None is used: figures become SVG
without pyplot.
"""

import os

_asked = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib  # noqa: F401 - it reads the variable once, and refuses a backend that is not installed
finally:
    if _asked is not None:
        os.environ["MPLBACKEND"] = _asked
