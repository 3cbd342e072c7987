"""What ids are made from: a digest of content, and which keys belong to runs alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def digest(value: Any) -> str:
    """16 hexadecimal digits of a JSON-able value's content."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


NOT_IN_ARTEFACT_IDS = ("rates", "amortise_over", "lr_factor", "measures", "nets")
"""Keys of an arm's ``shared`` settings that are part of a run's id, but not of its artefacts' ids."""

TRAINED = "trained_trace"
"""The signal for which a proxy keeps what it gave for the views that it was trained on."""


def proxy_ids(terms: dict[str, Any], seed: int | None, needs: Iterable[str], nets: int) -> list[str]:
    """Ids of the proxies that a rule reads, from what they share with others."""
    trained = [TRAINED] if TRAINED in needs else []
    return [digest(["proxy", terms, seed, *trained, *([net] if net else [])]) for net in range(nets)]
