"""Networks, built from the plain values of a bundle's ``model.json``."""

from .build import build_network

__all__ = ["build_network"]
