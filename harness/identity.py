"""What ids are made from: a digest of content, and which keys belong to runs alone."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """16 hexadecimal digits of a JSON-able value's content."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


NOT_IN_ARTEFACT_IDS = ("rates", "amortise_over", "lr_factor", "measures")
"""Keys of an arm's ``shared`` settings that are part of a run's id, but not of its artefacts' ids."""
