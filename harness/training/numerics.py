"""In what numbers and in what order of memory the learner, references trained here and proxies compute."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...strategies import UsageError

USUAL = {"float32": "contiguous", "bf16": "channels-last"}
"""Memory format of each precision where none is asked for."""


@dataclass(frozen=True)
class Numerics:
    """``precision``: ``float32``, or ``bf16`` for autocast to bfloat16, with weights, losses and signals in float32.

    ``memory_format``: ``contiguous`` (channel by channel), or ``channels-last`` (pixel by pixel). Evaluation, which is
    off the clock, is in float32 always.
    """

    precision: str = "float32"
    memory_format: str = "contiguous"

    @classmethod
    def of(cls, name: str) -> Numerics:
        """From :attr:`name`."""
        precision, _, memory_format = name.partition(", ")
        return cls(precision, memory_format or USUAL[precision])

    @property
    def name(self) -> str:
        """The precision, and the memory format where it is not the usual one: what ids and records say."""
        usual = self.memory_format == USUAL[self.precision]
        return self.precision if usual else f"{self.precision}, {self.memory_format}"

    def fits(self, net: nn.Module, device: torch.device) -> bool:
        """Whether ``net`` can be trained so.

        Channels-last on a CPU, the weight gradient of a strided 1x1 convolution of fewer than 16 channels writes out of
        bounds (oneDNN's issue 6035): memory is corrupted, and the process may abort.
        """
        return self.memory_format != "channels-last" or device.type != "cpu" or not any(map(_overruns, net.modules()))

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        return torch.autocast(device.type, dtype=torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def net(self, model: nn.Module, device: torch.device) -> None:
        """Lay the weights of ``model`` out, or refuse where it does not fit."""
        if not self.fits(model, device):
            raise UsageError(
                "memory_format: a net whose strided 1x1 convolutions have fewer than 16 channels cannot be trained "
                'channels-last on a CPU: make it wider, or set memory_format = "contiguous"'
            )
        if self.memory_format == "channels-last":
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def images(self, views: Tensor) -> Tensor:
        return views.contiguous(memory_format=torch.channels_last) if self.memory_format == "channels-last" else views


def _overruns(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d) or module.kernel_size != (1, 1) or module.stride == (1, 1):
        return False
    return module.in_channels // module.groups < 16


def candidates(precision: str | None, memory_format: str | None, device: torch.device) -> list[Numerics]:
    """What a matrix allows on ``device``, the usual first; several where it says ``auto``.

    None stands for what is usual: bf16 on a GPU and float32 elsewhere, each in its own memory format.
    """
    usual = "bf16" if device.type == "cuda" else "float32"
    others = [name for name in USUAL if name != usual]
    found = []
    for name in [usual, *others] if precision == "auto" else [precision or usual]:
        own = USUAL[name]
        layouts = sorted({*USUAL.values()}, key=lambda layout: layout != own)
        found += [Numerics(name, one) for one in (layouts if memory_format == "auto" else [memory_format or own])]
    return found
