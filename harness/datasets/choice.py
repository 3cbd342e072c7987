"""The data set entry of a matrix: which set, its name, splits, augmentation and corruption."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..toml import StrictModel
from .base import Augmentation
from .corruption import Corruption


class DatasetChoice(StrictModel):
    """One data set. ``spec`` is what is loaded (``imagefolder:PATH``), ``name`` and ``title`` what it is called."""

    name: str
    spec: str = ""
    title: str = ""
    options: dict[str, Any] = Field({})
    holdout: float | int | None = Field(None, ge=0)
    val: float | int = Field(0.1, gt=0)
    augmentation: Augmentation | None = None
    spoil: Corruption | None = None
