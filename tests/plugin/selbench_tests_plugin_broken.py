"""A module that cannot be imported."""

raise ImportError("this module always fails")
