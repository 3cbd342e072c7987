"""What a data set is, in one hash: the key of everything that is computed from it."""

from __future__ import annotations

import hashlib
import json

from ..store.tensor_cache import digest
from .base import Images


def fingerprint(images: Images) -> str:
    """Content hash of arrays, labels, class names and the number of images skipped; title and note do not enter.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    arrays = digest(
        {
            "train": images.train,
            "train_labels": images.train_labels,
            "test": images.test,
            "test_labels": images.test_labels,
        }
    )
    names = json.dumps(images.classes)  # escapes what a folder's name may hold and UTF-8 may not
    skipped = f" {images.skipped} skipped" if images.skipped else ""
    return hashlib.blake2b(f"{arrays} {names}{skipped}".encode(), digest_size=16).hexdigest()
