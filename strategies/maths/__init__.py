"""Mathematics that rules share: graphs, Lanczos, sampling, geometry."""
