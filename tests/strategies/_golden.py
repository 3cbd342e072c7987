"""What published selection code gave on fixed inputs, as :mod:`selbench.benchmarks.golden` reads it."""

from selbench.benchmarks.golden import RATIOS, by_class, given, golden, of_val, overlap, rows

__all__ = ["RATIOS", "by_class", "given", "golden", "of_val", "overlap", "rows"]
