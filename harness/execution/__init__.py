"""From a matrix to a finished folder: prepare, then stage by stage."""
