"""Learners by text: a registered name, ``timm:NAME``, ``torchvision:NAME``, or ``package.module:build``."""

from __future__ import annotations

from typing import Any

from ...strategies import UsageError
from ...strategies.registry import registry
from ..code import outside
from ..datasets.spec import from_spec
from ..toml import Named
from .foreign import Built
from .learner import Learner


def learner(spec: Named, width: int | None = None) -> Learner:
    """The learner that a matrix names: a registered one, ``timm:NAME``, ``torchvision:NAME``, ``package.module:build``.

    ``width`` is that of a narrower net of the same kind, in place of its other parameters.
    """
    names, kind = registry("learners"), spec.name.partition(":")[0]
    given: dict[str, Any] = spec.parameters() if width is None else {"width": width}
    if width is not None and (kind not in names.found() or "width" not in names.parameters(kind)):
        raise UsageError(
            f"learner {spec.name!r} has no width, and a narrower one ({width}) is asked for: leave the width of "
            "references out, and proxy-replay"
        )
    if outside("learners", spec.name) is not None:
        return Built(spec.name, **given)
    found: Learner = from_spec(names, spec.name, given)
    return found
