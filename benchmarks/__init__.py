"""What is run: matrices and claims, shipped as data."""
