"""The content hash of a data set: the key of everything that is computed from it."""

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
    names = json.dumps(images.classes)  # folder names may hold bytes that are no UTF-8
    skipped = f" {images.skipped} skipped" if images.skipped else ""
    return hashlib.blake2b(f"{arrays} {names}{skipped}".encode(), digest_size=16).hexdigest()
