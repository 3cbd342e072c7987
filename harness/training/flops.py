"""Floating-point operations: counted once per (operation, shape), then multiplied; never in the loop.

A multiply and an add are two. Training and scoring count matrix products and convolutions, as
PyTorch's own counter does; the selection path counts elementwise work as well, and operators that
PyTorch's counter takes for free. Conventions of ours: eigen-decompositions 9 n^3, sort n log2 n.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from ...reports.records.sealing import digest_file, write_bytes
from ..identity import digest

aten = torch.ops.aten

_COUNTED: dict[tuple[Any, ...], tuple[float, float, Any]] = {}


def learner_flops(
    learner: Any, channels: int, resolution: int, classes: int, kept: Path | None = None
) -> tuple[float, float]:
    """As :func:`image_flops`, of the net that ``learner`` builds; a process counts each net once.

    Every run asks, and the first count of a process imports ``torch._dynamo``, which takes as long as torch itself:
    a count of our own learners is read from the folder ``kept``, where it was made before by the same code.
    """
    key = _key(learner, channels, resolution, classes)
    if key not in _COUNTED:
        file = None if kept is None else _file(kept, key)
        counts = None if file is None or not file.is_file() else _numbers(file.read_bytes())
        if counts is None:
            net = learner.build(channels, resolution, classes, None)
            counts = image_flops(net, (channels, resolution, resolution))
            if file is not None:
                _keep(file, counts)
        # The learner is kept, so that an address in what it prints of its settings stays its own.
        _COUNTED[key] = *counts, learner
    return _COUNTED[key][:2]


def count_for_all(learner: Any, channels: int, resolution: int, classes: int, kept: Path) -> None:
    """Make the count that worker processes will find in ``kept``, if it is one that is kept."""
    file = _file(kept, _key(learner, channels, resolution, classes))
    if file is not None and not file.is_file():
        _keep(file, learner_flops(learner, channels, resolution, classes))


def _keep(file: Path, counts: tuple[float, float]) -> None:
    with suppress(OSError):  # a full or read-only disk costs time alone
        write_bytes(file, json.dumps(counts).encode())


def _key(learner: Any, *shape: int) -> tuple[Any, ...]:
    return type(learner), repr(getattr(learner, "__dict__", learner)), *shape


def _file(folder: Path, key: tuple[Any, ...]) -> Path | None:
    """Where a count is kept; None for a plugin's net, which may be made of code that we do not see."""
    kind, *rest = key
    if kind.__module__.partition(".")[0] != __name__.partition(".")[0] or kind.__name__ == "Built":
        return None
    code = [digest_file(Path(inspect.getfile(of))) for of in (kind, learner_flops)]
    return folder / "flops" / f"{digest([kind.__qualname__, *rest, code, torch.__version__])}.json"


def _numbers(content: bytes) -> tuple[float, float] | None:
    try:
        forward, train = json.loads(content)
        return float(forward), float(train)
    except (ValueError, TypeError):
        return None  # damaged: counted again


def image_flops(model: nn.Module, shape: tuple[int, ...]) -> tuple[float, float]:
    """FLOPs of one image ``[C, H, W]`` forward, and forward and backward, through ``model`` (on the meta device)."""
    # Two images: batch normalisation in training mode refuses one where the map has shrunk to 1 x 1.
    images = torch.empty((2, *shape), device="meta")
    with FlopCounterMode(display=False, custom_mapping={aten.convolution_backward: _conv_backward}) as counter:
        logits = model(images)
        forward = counter.get_total_flops() / 2
        logits.sum().backward()
    model.zero_grad(set_to_none=True)
    return forward, counter.get_total_flops() / 2


def _conv_backward(*args: Any, out_val: Any = None, **_: Any) -> int:
    """PyTorch's count, but for the weights' gradient of a grouped convolution, which it takes for an ungrouped one."""
    *rest, groups, mask = args
    count = flop_registry[aten.convolution_backward]
    without = count(*rest, groups, [mask[0], False, mask[2]], out_val=out_val)
    return int(without + (count(*args, out_val=out_val) - without) // groups)


_conv_backward._get_raw = True  # type: ignore[attr-defined] # tensors, as the registered ones take them, not shapes


def _numel(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, tuple | list):
        return sum(_numel(item) for item in value)
    return 0


def _sort(x: Tensor, dim: int = -1, *_: Any, **__: Any) -> float:
    length = x.shape[dim] if x.ndim else 1
    return x.numel() // max(1, length) * (length * math.log2(max(2, length)))


def _topk(x: Tensor, k: int, dim: int = -1, *_: Any, **__: Any) -> float:
    return _sort(x, dim)


def _eigh(a: Tensor, *_: Any, **__: Any) -> float:
    return 9.0 * math.prod(a.shape[:-2]) * a.shape[-1] ** 3


def _cube(factor: float) -> Callable[..., float]:
    return lambda a, *_, **__: factor * math.prod(a.shape[:-2]) * a.shape[-2] * a.shape[-1] * min(a.shape[-2:])


FORMULAS: dict[Any, Callable[..., float]] = {
    aten.mv: lambda a, x, **_: 2.0 * a.numel(),
    aten.addmv: lambda c, a, x, **_: 2.0 * a.numel(),
    aten.addmv_: lambda c, a, x, **_: 2.0 * a.numel(),
    aten.addmm_: lambda c, a, b, **_: 2.0 * a.numel() * b.shape[-1],
    aten.baddbmm_: lambda c, a, b, **_: 2.0 * a.numel() * b.shape[-1],
    aten.dot: lambda a, b, **_: 2.0 * a.numel(),
    aten.vdot: lambda a, b, **_: 2.0 * a.numel(),
    aten.linalg_vecdot: lambda a, b, **_: 2.0 * a.numel(),
    aten.ger: lambda a, b, **_: 2.0 * a.numel() * b.numel(),
    aten.addr: lambda c, a, b, **_: 2.0 * a.numel() * b.numel(),
    aten._linalg_eigh: _eigh,
    aten.linalg_qr: _cube(2.0),
    aten._linalg_svd: _cube(22.0),
    aten.linalg_cholesky_ex: _cube(1 / 3),
    aten._linalg_solve_ex: _cube(2 / 3),
    aten.linalg_inv_ex: _cube(2.0),
    aten.linalg_solve_triangular: lambda a, b, **_: 1.0 * a.shape[-1] * b.numel(),
    aten.linalg_lu_solve: lambda lu, pivots, b, **_: 2.0 * lu.shape[-1] * b.numel(),
    aten.linalg_lu_factor_ex: _cube(2 / 3),
    aten._euclidean_dist: lambda a, b, **_: 3.0 * a.shape[-2] * b.shape[-2] * a.shape[-1] * math.prod(a.shape[:-2]),
    aten._cdist_forward: lambda a, b, *_, **__: 3.0 * a.shape[-2] * b.shape[-2] * a.shape[-1] * math.prod(a.shape[:-2]),
    aten.sort: _sort,
    aten.argsort: _sort,
    aten.topk: _topk,
    aten.kthvalue: _topk,
    aten.median: _sort,
}
"""Operators that PyTorch's counter counts as zero; arguments as the operator gets them."""

_REDUCTIONS = {
    aten.sum, aten.mean, aten.amax, aten.amin, aten.aminmax, aten.max, aten.min, aten.argmax, aten.argmin, aten.prod,
    aten.var, aten.std, aten.var_mean, aten.linalg_vector_norm, aten.norm, aten.logsumexp, aten.cumsum, aten.cumprod,
    aten.any, aten.all, aten._softmax, aten._log_softmax, aten.nll_loss_forward, aten.logcumsumexp, aten.cummax,
    aten.cummin, aten.scatter_add, aten.scatter_add_, aten.scatter_reduce, aten.index_add, aten.index_add_,
    aten.bincount, aten.searchsorted, aten.bucketize,
}  # fmt: skip

_FREE = {
    aten.view, aten._unsafe_view, aten.reshape, aten.t, aten.transpose, aten.permute, aten.expand, aten.slice,
    aten.select, aten.unsqueeze, aten.squeeze, aten.detach, aten.alias, aten.clone, aten.copy_, aten._to_copy,
    aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_zeros, aten.new_ones, aten.new_full,
    aten.zeros, aten.ones, aten.full, aten.zeros_like, aten.ones_like, aten.full_like, aten.arange, aten.eye,
    aten.linspace, aten.fill_, aten.zero_, aten.index, aten.index_select, aten.gather, aten.scatter, aten.scatter_,
    aten.index_put, aten.index_put_, aten.index_fill, aten.index_fill_, aten.index_copy, aten.index_copy_, aten.cat,
    aten.stack, aten.split, aten.split_with_sizes, aten.unbind, aten.diagonal, aten.as_strided, aten.lift_fresh,
    aten.constant_pad_nd, aten.slice_scatter, aten.select_scatter, aten.flip, aten.roll, aten.repeat, aten.unfold,
    aten.diag_embed, aten.diagonal_copy, aten.one_hot, aten.set_, aten.resize_, aten.is_same_size, aten.scalar_tensor,
    aten._local_scalar_dense, aten.tril, aten.triu, aten.new_empty_strided, aten.masked_fill, aten.masked_fill_,
    torch.ops.prim.device,
}  # fmt: skip
"""Moving data is not arithmetic."""

_DRAWS = {
    aten.rand, aten.randn, aten.randint, aten.randperm, aten.uniform_, aten.normal_, aten.exponential_,
    aten.random_, aten.bernoulli, aten.bernoulli_, aten.multinomial, aten.rand_like, aten.randn_like,
    aten.log_normal_, aten.geometric_, aten.cauchy_,
}  # fmt: skip


class SelectionCounter(TorchDispatchMode):
    """Counts every operation of a selection, elementwise ones included."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """PyTorch would import its compiler at the first operation, to keep it off: half as long as torch itself."""
        return False  # nothing is compiled while it counts

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0
        self.unknown: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func._overloadpacket
        if packet in FORMULAS:
            self.flops += FORMULAS[packet](*args, **kwargs)
        elif packet in flop_registry:
            self.flops += flop_registry[packet](*args, **kwargs, out_val=out)
        elif packet in _REDUCTIONS:
            self.flops += _numel(args)
        elif packet in _DRAWS or (torch.Tag.pointwise in func.tags and packet not in _FREE):
            self.flops += _numel(out)
        elif packet not in _FREE:
            self.unknown.add(str(packet))
        return out


def count_selection(call: Callable[[], Any]) -> SelectionCounter:
    with SelectionCounter() as counter:
        call()
    return counter
