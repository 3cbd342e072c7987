"""The data sets that ship."""
