"""Measurements of speed; see ``__main__``."""
