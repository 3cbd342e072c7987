"""The suite as a library: a rule in the user's own PyTorch loop, and a matrix run from Python."""
