"""Many studies at once, over Dask: each by the engine's own ``segment``."""
