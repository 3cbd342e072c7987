"""A pretended CUDA machine: real data on the CPU in tensors that say ``cuda:0``, on any machine.

Operators refuse tensors of two devices and generators of another device, as CUDA would; each wait for the device (a
value read back, a pageable copy, a mask as index) is noted with its place. Programs run whole on it, training
included, and give the numbers of the CPU. Not seen: kernels, memory, streams, and CUDA's own rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .pretended_torch import patched

aten = torch.ops.aten
CROSSING = (aten._to_copy, aten.copy_)
VIEWS = {
    "view", "_unsafe_view", "_reshape_alias", "as_strided", "t", "transpose", "permute", "slice", "select", "unsqueeze",
    "squeeze", "expand", "detach", "alias", "diagonal", "unbind", "split", "split_with_sizes", "lift_fresh", "empty",
    "empty_like", "empty_strided", "new_empty", "new_empty_strided",
}  # fmt: skip
"""No kernel runs for these."""
WAITING = {
    aten._local_scalar_dense, aten.item, aten.nonzero, aten.nonzero_static, aten.masked_select, aten._unique2,
    aten.unique_dim, aten.unique_consecutive, aten.equal, aten.bincount, aten.multinomial, aten._linalg_eigh,
    aten.linalg_eig, aten._linalg_eigvals, aten._linalg_svd, aten.linalg_lstsq, aten.linalg_qr, aten.geqrf,
    aten.linalg_cholesky_ex, aten._linalg_solve_ex, aten.linalg_inv_ex, aten.linalg_lu_factor_ex,
    aten.linalg_ldl_factor_ex, aten._linalg_check_errors, aten.repeat_interleave, aten.histc,
}  # fmt: skip
"""Operators whose CUDA kernels read a result back or call a solver that does."""


INDEXING = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_)
"""Operators that read a mask back, where one is given as index."""
_TORCH = str(Path(torch.__file__).parent)


class Mismatch(RuntimeError):
    """What CUDA refuses: tensors of two devices, or a generator of another one."""


@dataclass(frozen=True)
class Wait:
    """One wait for the device: what waited, and the innermost place outside torch, as ``file.py:line function``."""

    what: str
    place: str


class OnCuda(Tensor):
    """A tensor whose data lie in ``raw``, on the CPU; Python sees it on ``gpu``.

    C++ takes it for a CPU tensor: autograd's engine would ask the CUDA driver otherwise.
    """

    raw: Tensor
    gpu: torch.device

    @staticmethod
    def __new__(cls, raw: Tensor, gpu: torch.device) -> OnCuda:
        made: OnCuda = Tensor._make_wrapper_subclass(
            cls, raw.size(), strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype,
            layout=raw.layout, device=torch.device("cpu"),
        )  # fmt: skip
        made.raw, made.gpu = raw, gpu
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.gpu

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"OnCuda({self.raw!r}, {self.gpu})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.numpy:
            raise TypeError("can't convert a cuda tensor to numpy: use Tensor.cpu() first")
        if func is Tensor.cpu:
            return _down(args[0])
        if func is Tensor.tolist:
            return _down(args[0]).tolist()
        if func is Tensor.cuda:
            return args[0].to("cuda")
        if func is Tensor.to:
            target, rest = kwargs.pop("device", None), list(args[1:])
            if rest and isinstance(rest[0], str | torch.device):
                target = rest.pop(0)
            elif rest and isinstance(rest[0], Tensor):
                like = rest.pop(0)
                target, kwargs["dtype"] = like.device, like.dtype
            moved = args[0]
            if target is not None and torch.device(target).type == "cpu":
                moved = _down(moved)
            elif target is not None and _indexed(target) != moved.gpu:
                moved = OnCuda(moved.raw.clone(), _indexed(target))
            for option in ("non_blocking", "copy"):
                kwargs.pop(option, None)
            rest = [value for value in rest if isinstance(value, torch.dtype)]
            if not rest and not kwargs:
                return moved
            args = (moved, *rest)
        if str(kwargs.get("device", "")) == "cpu":  # of a new tensor: C++ would not tell it from none given
            args, kwargs = _mapped(lambda leaf: leaf.raw if isinstance(leaf, OnCuda) else leaf, (args, kwargs))
            return func(*args, **kwargs)
        if func is Tensor.__deepcopy__ and args[0].grad_fn is None:
            old, memo = args
            new = OnCuda(old.raw.clone(), old.gpu).requires_grad_(old.requires_grad)
            if getattr(old, "_is_param", False):
                new._is_param = True  # type: ignore[attr-defined]
            memo[id(old)] = new
            return new
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _handled(func, args, kwargs or {})


class PretendedCuda(TorchDispatchMode):
    """Inside this context the machine has two CUDA devices. One such context at a time; all is undone at its end.

    Attributes
    ----------
    waits : list of Wait
        Every wait so far; ``on_wait`` is called with each.
    memory : int
        Bytes of each device, all said to be free.
    launches : int
        Operators so far that would launch a kernel.
    """

    current: PretendedCuda | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """PyTorch would import its compiler at the first operation, to keep it off: as long as torch itself takes."""
        return False  # nothing is compiled on a pretended machine

    def __init__(self, on_wait: Callable[[Wait], None] | None = None, memory: int = 1 << 37) -> None:
        super().__init__()
        self.waits: list[Wait] = []
        self.launches = 0
        self.on_wait, self.memory = on_wait, memory
        self.selected = self.working = 0  # the current device, and the one that the last kernel ran on
        self.generators: dict[int, tuple[torch.device, Any]] = {}  # by address; kept alive so that none comes twice
        self._undo = ExitStack()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _handled(func, args, kwargs or {})

    def __enter__(self) -> PretendedCuda:
        assert PretendedCuda.current is None, "one pretended machine at a time"
        torch._C._ensureCUDADeviceGuardSet()  # type: ignore[attr-defined]  # harmless: fake tensors do it as well
        with ExitStack() as undo:
            undo.enter_context(patched(self))
            undo.enter_context(patch.object(PretendedCuda, "current", self))
            super().__enter__()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._undo.close()

    @contextmanager
    def watched(self) -> Iterator[list[Wait]]:
        """The waits that come inside."""
        before, found = len(self.waits), list[Wait]()
        yield found
        found += self.waits[before:]

    def note(self, what: str) -> None:
        wait = Wait(what, _place())
        self.waits.append(wait)
        if self.on_wait is not None:
            self.on_wait(wait)

    def claim(self, generator: Any, device: Any) -> None:
        self.generators[generator._cdata] = (_indexed(device), generator)

    def generator_device(self, generator: Any) -> torch.device:
        return self.generators.get(generator._cdata, (torch.device("cpu"), None))[0]


def on_cuda(tensor: Tensor) -> Tensor:
    """``tensor`` on the selected device, as something that lay there before: no copy is noted."""
    return OnCuda(tensor.detach().clone(), _indexed("cuda"))


def _machine() -> PretendedCuda:
    machine = PretendedCuda.current
    assert machine is not None, "a tensor of a pretended machine is used after its end"
    return machine


def _indexed(device: Any) -> torch.device:
    """The device with its index: that of the selected one where it has none."""
    device = device if isinstance(device, torch.device) else torch.device(device)
    if device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", _machine().selected)


def _down(tensor: OnCuda) -> Tensor:
    _machine().note("copy to the host")
    return tensor.raw.detach().clone()


def _place() -> str:
    frame: Any = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        ours = code.co_filename == __file__ or code.co_name in ("__torch_dispatch__", "__torch_function__")
        if not ours and not code.co_filename.startswith(_TORCH) and "contextlib" not in code.co_filename:
            return f"{'/'.join(Path(code.co_filename).parts[-2:])}:{frame.f_lineno} {code.co_name}"
        frame = frame.f_back
    return "?"


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """An operator's arguments or results with every leaf changed (torch's own ``tree_map`` takes ten times as long)."""
    if isinstance(value, list | tuple):
        return type(value)([_mapped(change, item) for item in value])
    if isinstance(value, dict):
        return {key: _mapped(change, item) for key, item in value.items()}
    return change(value)


def _handled(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    machine, packet, name = _machine(), func._overloadpacket, func.__name__.split(".")[0]
    tensors = list[Tensor]()

    def unwrapped(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            tensors.append(leaf)
        return leaf.raw if isinstance(leaf, OnCuda) else leaf

    raw_args, raw_kwargs = _mapped(unwrapped, args), _mapped(unwrapped, kwargs)
    ours = [tensor for tensor in tensors if isinstance(tensor, OnCuda)]
    device, generator = kwargs.get("device"), kwargs.get("generator")
    if packet is aten.is_pinned:
        return False
    if packet is aten._pin_memory:
        return args[0]
    if ours and (device is None or torch.device(device).type == "cpu"):
        device = ours[0].gpu  # C++ takes ours for CPU tensors; copies to the host come through cpu() and to()
    target = None if device is None else _indexed(device)
    there = target if target is not None and target.type == "cuda" else None
    if generator is not None and (claimed := machine.generator_device(generator)) != (target or torch.device("cpu")):
        raise Mismatch(f"{name}: Expected a {target or 'cpu'} generator, got one on {claimed}, at {_place()}")
    if there is not None:
        _refuse_mixed(machine, packet, name, args, kwargs, tensors)
        if packet in WAITING:
            machine.note(name)
        if packet in INDEXING and any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
            machine.note(f"{name} with a mask")
        if name not in VIEWS:
            machine.launches, machine.working = machine.launches + 1, there.index
        raw_kwargs |= {"device": "cpu"} if "device" in kwargs else {}
    raw_kwargs |= {"pin_memory": False} if kwargs.get("pin_memory") else {}  # it needs a driver
    out = _on_the_cpu(func, packet, raw_args, raw_kwargs)
    if there is None:
        return out
    if packet is aten.copy_ and not isinstance(args[0], OnCuda):
        return args[0]
    same = {id(tensor.raw): tensor for tensor in ours}  # what an operator in place gives back

    def wrapped(leaf: Any) -> Any:
        return same[id(leaf)] if id(leaf) in same else OnCuda(leaf, there) if isinstance(leaf, Tensor) else leaf

    return _mapped(wrapped, out)


def _refuse_mixed(
    machine: PretendedCuda, packet: Any, name: str, args: Any, kwargs: Any, tensors: list[Tensor]
) -> None:
    """As CUDA: a CPU tensor of no dimension is a constant, an index may lie on the CPU, and copies cross."""
    plain = [tensor for tensor in tensors if not isinstance(tensor, OnCuda)]
    places = {tensor.gpu for tensor in tensors if isinstance(tensor, OnCuda)}
    if packet in CROSSING:
        down = packet is aten.copy_ and not isinstance(args[0], OnCuda)
        asked = kwargs.get("non_blocking") or (packet is aten.copy_ and len(args) > 2 and args[2])
        if plain and not asked:  # memory is taken to be page-locked where no wait was asked for
            machine.note("copy to the host" if down else "copy from the host")
        return
    if packet in INDEXING and plain:
        if not isinstance(args[0], OnCuda):
            raise Mismatch(f"{name}: a tensor on the CPU is indexed by one on a GPU, at {_place()}")
        if any(tensor.ndim for tensor in plain):
            machine.note(f"{name} with an index on the CPU")
        plain = []
    strict = packet in (aten.index_select, aten.gather, aten.mm, aten.addmm, aten.cat)
    if places and any(tensor.ndim or strict for tensor in plain):
        places.add(torch.device("cpu"))
    if len(places) > 1:
        found = " and ".join(sorted(map(str, places)))
        raise Mismatch(f"{name}: Expected all tensors to be on the same device, found {found}, at {_place()}")


def _on_the_cpu(func: Any, packet: Any, args: Any, kwargs: Any) -> Any:
    if packet in (aten.convolution, aten.convolution_backward):
        # Channels-last, as on a GPU, oneDNN writes out of bounds where a strided 1x1 has under 16 channels (its 6035).
        args = _mapped(lambda leaf: leaf.contiguous() if isinstance(leaf, Tensor) else leaf, args)
    if packet is aten.cudnn_batch_norm:
        return (*aten.native_batch_norm(*args), torch.empty(0, dtype=torch.uint8))
    if packet is aten.cudnn_batch_norm_backward:
        x, grad, weight, mean, var, saved_mean, saved_var, eps, _ = args
        needed = [True, True, True]
        return aten.native_batch_norm_backward(grad, x, weight, mean, var, saved_mean, saved_var, True, eps, needed)
    return func(*args, **kwargs)
