"""Reference models: where the features and losses that guide a selection come from."""

from .base import FrozenReference

__all__ = ["FrozenReference"]
