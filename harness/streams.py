"""Random streams by name: every number drawn in a run comes from (seed, axis), never from global state.

Axes are ``init``, ``order``, ``augment``, ``select``, ``split`` and what an artefact adds to them.
Cells of one seed therefore see the same initial weights, the same order and the same views, and a
strategy that draws numbers cannot shift the learner's stream.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported where it is used: `verify` needs the hash alone
    import torch
    from torch import Tensor

_MASK = (1 << 31) - 1


def derive(seed: int, *axis: object) -> int:
    """A 63-bit seed for the stream named by ``axis``: a hash, so that near seeds are unrelated."""
    text = "/".join([str(seed), *map(str, axis)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *axis: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on ``device`` for the stream named by ``axis``."""
    import torch

    return torch.Generator(device).manual_seed(derive(seed, *axis))


def permutation(size: int, seed: int, *axis: object) -> Tensor:
    """A permutation ``[size]`` int64, drawn on the CPU so that every device sees the same one."""
    import torch

    return torch.randperm(size, generator=generator(seed, *axis))


def _mix(x: Tensor) -> Tensor:
    """One round of a 31-bit integer mixer (products stay inside int64)."""
    x = x & _MASK
    x = ((x ^ (x >> 16)) * 0x45D9F3B) & _MASK
    x = ((x ^ (x >> 15)) * 0x2C1B3C6D) & _MASK
    return x ^ (x >> 16)


def keyed_uniform(key: int, ids: Tensor, draws: int) -> Tensor:
    """Uniform numbers ``[B, draws]`` float32 in [0, 1) that depend on (key, id, draw) alone, whatever the batch.

    ``key`` is a stream's seed, such as ``derive(seed, "augment", epoch)``; the result is identical on every device.
    """
    import torch

    low, high = key & _MASK, (key >> 31) & _MASK
    column = torch.arange(draws, device=ids.device, dtype=torch.int64)
    x = _mix(ids.to(torch.int64)[:, None] + low)
    x = _mix(x + high)
    x = _mix(x * 0x10001 + column[None, :] * 0x9E3779B + low)
    # 24 bits fill a float32's mantissa, so that 1.0 itself cannot come out.
    return (x >> 7).to(torch.float32) * (1.0 / (1 << 24))
