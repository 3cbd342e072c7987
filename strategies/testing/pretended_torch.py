"""What torch offers on a machine with GPUs, for a pretended one: generators, events, autocast and ``torch.cuda``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch

GPUS = 2


@contextmanager
def patched(machine: Any) -> Iterator[None]:
    """torch as on a machine with two GPUs, and back; ``machine`` is the :class:`PretendedCuda` that is entered."""
    cuda = {**_facts(machine), "Event": _event(machine)}
    places = [*((torch.cuda, name, value) for name, value in cuda.items())]
    places += [(torch, "Generator", _generator(machine)), (torch, "autocast", Autocast)]
    places += [(torch.amp, "autocast", Autocast)]
    flags = (
        (torch.__future__.get_overwrite_module_params_on_conversion, "set_overwrite_module_params_on_conversion"),
        (torch._C._only_lift_cpu_tensors, "_set_only_lift_cpu_tensors"),  # type: ignore[attr-defined]
    )
    owners = (torch.__future__, torch._C)
    before = [read() for read, _ in flags]

    def put(values: list[bool]) -> None:
        for owner, (_, name), value in zip(owners, flags, values, strict=True):
            getattr(owner, name)(value)

    with ExitStack() as undo:
        for place, name, value in places:
            undo.enter_context(patch.object(place, name, value))
        undo.callback(put, before)
        put([True, True])
        yield


class Autocast(torch.autocast):
    """CPU autocast under the name cuda."""

    def __init__(self, device_type: str, *args: Any, **options: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **options)


def _generator(machine: Any) -> type:
    class Generator(torch.Generator):
        """A generator of the CPU that says on which device it was asked for."""

        def __new__(cls, device: Any = "cpu") -> Any:
            made = super().__new__(cls, "cpu")  # type: ignore[call-arg]
            machine.claim(made, device)
            return made

        @property
        def device(self) -> torch.device:  # type: ignore[override]
            return machine.generator_device(self)  # type: ignore[no-any-return]

    return Generator


def _event(machine: Any) -> type:
    class Event:
        """A CUDA event, of the device that is selected when it is recorded: another one's work would not be timed."""

        def __init__(self, **_: Any) -> None:
            self.at = 0.0

        def record(self, stream: Any = None) -> None:
            if machine.working != machine.selected:
                where = f"the work is on cuda:{machine.working} and cuda:{machine.selected} is selected"
                raise RuntimeError(f"an event times nothing: {where}; call torch.cuda.set_device first")
            self.at = time.perf_counter()

        def elapsed_time(self, other: Any) -> float:
            return float(1000 * (other.at - self.at))

        def synchronize(self) -> None:
            machine.note("synchronize")

    return Event


def _facts(machine: Any) -> dict[str, Any]:
    def select(device: Any) -> None:
        chosen = device if isinstance(device, int) else torch.device(device).index
        if not 0 <= (chosen or 0) < GPUS:
            raise RuntimeError("CUDA error: invalid device ordinal")
        machine.selected = machine.working = machine.selected if chosen is None else chosen

    def nothing(*_: Any, **__: Any) -> None:
        return None

    return {
        "_lazy_init": nothing,
        "is_available": lambda: True,
        "is_bf16_supported": lambda *_, **__: True,
        "is_initialized": lambda: True,
        "device_count": lambda: GPUS,
        "current_device": lambda: machine.selected,
        "set_device": select,
        "synchronize": lambda *_: machine.note("synchronize"),
        "empty_cache": nothing,
        "set_sync_debug_mode": nothing,
        "reset_peak_memory_stats": nothing,
        "get_device_name": lambda *_: "pretended",
        "max_memory_allocated": lambda *_: 0,
        "memory_reserved": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "mem_get_info": lambda *_: (machine.memory, machine.memory),
    }
