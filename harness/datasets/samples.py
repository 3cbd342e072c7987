"""Training images on the device, with their cached signals."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..store.feature_file import Rows
from .proxy_picks import ProxyPicks


@dataclass
class Samples:
    """Training images on the run's device, with what is cached of each.

    Parameters
    ----------
    images : Tensor ``[n, C, H, W]`` uint8
    labels : Tensor ``[n]`` int64
    classes : int
    signals : dict of Tensor, Rows or ProxyPicks ``[n, ...]``
        Cached signals by name: ``features``, ``reference``, ``trace``, and at cadence ``run`` the proxy's.
        Features that do not fit on the device stay in their file, and a proxy's ``picks`` are read step by step
        (both at cadence ``batch`` only).
    """

    images: Tensor
    labels: Tensor
    classes: int
    signals: dict[str, Tensor | Rows | ProxyPicks] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)
