"""The check of contrasts lies in the engine; `cases` uses it by this name."""

from MSLesionSegLib.contrast_check import doubtful_contrast

__all__ = ["doubtful_contrast"]
