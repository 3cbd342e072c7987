"""A cache of tensors on disk: each file is verified when it is read, and rebuilt where it is damaged."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...reports.records.sealing import explained, replacing, write_bytes
from ...strategies.errors import UsageError

logger = logging.getLogger("selbench")

Content = tuple[dict[str, Tensor], dict[str, Any]]  # named tensors, and the plain facts (JSON) that belong to them


def cached(folder: Path, name: str, key: Mapping[str, Any], build: Callable[[], Content]) -> Content:
    """What ``build`` returns, read from ``folder`` where it was made before for the same ``key``.

    ``key`` is everything that determines the content, as JSON; files' names begin with ``name``.
    """
    text = json.dumps(key, sort_keys=True)
    stem = f"{name}-{hashlib.blake2b(text.encode(), digest_size=10).hexdigest()}"
    arrays, facts = folder / f"{stem}.safetensors", folder / f"{stem}.json"
    if facts.exists():
        try:
            stored, tensors = json.loads(facts.read_text()), load_file(arrays)
            if digest(tensors) != stored["checksum"]:
                raise ValueError("its checksum is wrong")
            return tensors, dict(stored["facts"])
        except PermissionError as error:
            logger.warning("cache file %s: it is made again", explained(error))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            logger.warning("cache file %s is damaged (%s): it is made again", arrays, error)
    tensors, extra = build()
    note = json.dumps({"checksum": digest(tensors), "facts": extra}, sort_keys=True)
    try:
        # The facts go last: a file that they do not vouch for is not read.
        with replacing(arrays) as draft:
            save_file(tensors, draft)
        write_bytes(facts, note.encode())
    except (OSError, SafetensorError) as error:
        why = explained(error) if isinstance(error, OSError) else error
        raise UsageError(f"cannot write the cache: {why}; or give another folder with --cache-dir") from error
    return tensors, extra


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, types, shapes and bytes, whatever the order and the device."""
    sums = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        sums.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        sums.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sums.hexdigest()
