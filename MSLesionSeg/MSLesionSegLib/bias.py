"""Slow brightness changes of the receive coil taken out of an image (N4), where there are any."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .grid import Grid, resample
