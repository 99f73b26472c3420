"""Sums over the processes that train together, through which gradients flow."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_sum(value: Tensor) -> Tensor:
    """Sum of a value over all processes, the same in each; the value itself where there is one process.

    Its gradient is the sum of the gradients of all processes.
    """
    return value if processes() == 1 else _Sum.apply(value)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_context: object, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def full_precision(value: Tensor) -> Tensor:
    """A value in float32, or in float64 if it is so already."""
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
