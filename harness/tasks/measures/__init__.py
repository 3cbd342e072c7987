"""Measures of what was selected and of what was learned from it: evaluation, seen by no strategy and no schedule."""
