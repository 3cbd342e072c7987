"""Finds out on any machine whether code would make a CUDA device wait, without one.

The code runs on fake CUDA tensors: shapes without data. Operators that need data on the host raise
there by themselves; this mode adds those that would only wait.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten

WAITING = {
    aten._local_scalar_dense, aten.item, aten.nonzero, aten.nonzero_static, aten.masked_select, aten._unique2,
    aten.unique_dim, aten.unique_consecutive, aten.equal, aten.bincount, aten.multinomial, aten._linalg_eigh,
    aten.linalg_eig, aten._linalg_eigvals, aten._linalg_svd, aten.linalg_lstsq, aten.linalg_qr, aten.geqrf,
    aten.linalg_cholesky_ex, aten._linalg_solve_ex, aten.linalg_inv_ex, aten.linalg_lu_factor_ex,
    aten.linalg_ldl_factor_ex, aten._linalg_check_errors, aten.repeat_interleave, aten.histc,
}  # fmt: skip
"""Operators whose CUDA kernels read a result back or call a solver that does."""


class Waits(AssertionError):
    """The code would make the device wait."""


class NoWaiting(TorchDispatchMode):
    """Raises :class:`Waits` on the first operator that synchronises."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._overloadpacket in WAITING:
            raise Waits(f"{func} waits for the device")
        if func._overloadpacket in (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_):
            masks = [i for i in args[1] if isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8)]
            if masks:
                raise Waits(f"{func} with a mask waits for the device")
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in (aten._to_copy, aten.copy_, aten.lift_fresh_copy):
            devices = {leaf.device.type for leaf in tree_leaves((args, out)) if isinstance(leaf, Tensor)}
            if len(devices) > 1:
                raise Waits(f"{func} copies between {' and '.join(sorted(devices))}")
        return out


def run_fake(build: Callable[[], Callable[[], Any]], watch: AbstractContextManager[Any] | None = None) -> Any:
    """Call ``build`` on fake tensors, where inputs may be made, then what it returns, which raises :class:`Waits`."""
    with FakeTensorMode():
        call = build()
        try:
            with watch or NoWaiting():
                return call()
        except (
            torch._subclasses.fake_tensor.DataDependentOutputException,
            torch._subclasses.fake_tensor.DynamicOutputShapeException,
        ) as error:
            raise Waits(f"{error} needs data on the host") from error
