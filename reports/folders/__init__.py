"""Several results folders: merge and compare."""
